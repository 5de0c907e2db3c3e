"""Loopback ports for servers that are started later, and perhaps stopped and started again.

A port that the kernel hands out is one of those that it hands to every connection that goes out: between the asking and the
server's start, or while the server is down, anybody may get it. These are taken from below that range, and no other
process that asks here gets the same ones while this one lives.
"""
import random
import socket

LOWEST = 10000
TRIES = 10000
_reserved = []  # sockets: they end with the process, and the reservations with them


def _highest():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            first = int(file.read().split()[0])
    except (OSError, ValueError):
        first = 32768
    return first - 1 if first > LOWEST + 1000 else 65535


def free_ports(count):
    """Ports that nobody listens on and that nobody else will be given."""
    generator = random.SystemRandom()
    highest = _highest()
    ports = []
    for _ in range(TRIES):
        if len(ports) == count:
            return ports
        port = generator.randint(LOWEST, highest)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0mailreeve-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        _reserved.append(mark)
        ports.append(port)
    raise RuntimeError(f"no {count} free ports from {LOWEST} to {highest}")
