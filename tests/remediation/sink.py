"""An SMTP server that keeps what it accepts: what passed is written down before the answer is given, as the gateway's
milter does, and its slowness can be set so that a kill hits every stage."""
import os
import random
import socketserver
import threading
import time


class Sink:
    def __init__(self, accepted_file):
        self.accepted_file = accepted_file
        self.letters = []  # (envelope sender, recipients, bytes)
        self.lock = threading.Lock()
        self.slow = 0.0
        self.answer_data = b"250 2.0.0 Ok: queued as %s\r\n"
        self.eight_bit = True
        self.drop_after_data = 0  # this many letters are kept, but their answer is lost
        open(accepted_file, "a").close()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    sink.talk(self.rfile, self.wfile)
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self):
        if self.slow:
            time.sleep(random.random() * self.slow)

    def talk(self, reader, writer):
        def say(line):
            self.wait()
            writer.write(line)
            writer.flush()

        sender, recipients = None, []
        say(b"220 sink.test ESMTP\r\n")
        while True:
            line = reader.readline()
            if not line:
                return
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                say(b"250-sink.test\r\n" + (b"250-8BITMIME\r\n" if self.eight_bit else b"") + b"250 SIZE 100000000\r\n")
            elif verb.startswith(b"MAIL"):
                sender, recipients = line.strip(), []
                say(b"250 ok\r\n")
            elif verb.startswith(b"RCPT"):
                recipients.append(line.strip())
                say(b"250 ok\r\n")
            elif verb == b"DATA":
                say(b"354 go on\r\n")
                body = b""
                while True:
                    piece = reader.readline()
                    if not piece:
                        return  # cut off before the end: not accepted
                    if piece == b".\r\n":
                        break
                    body += piece[1:] if piece.startswith(b".") else piece
                if not self.answer_data.startswith(b"250"):
                    say(self.answer_data)
                    continue
                self.wait()
                with self.lock:
                    self.letters.append((sender, recipients, body))
                    number = b"%05X" % len(self.letters)
                    message_id = next(l.split(b":", 1)[1].strip() for l in body.split(b"\r\n")
                                      if l.lower().startswith(b"message-id:"))
                    with open(self.accepted_file, "ab") as f:
                        f.write(message_id + b"\n")
                        f.flush()
                        os.fsync(f.fileno())
                    if self.drop_after_data:
                        self.drop_after_data -= 1
                        return
                say(self.answer_data % number)
            elif verb == b"QUIT":
                say(b"221 bye\r\n")
                return
            else:
                say(b"500 what\r\n")
