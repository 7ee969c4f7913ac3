"""`python -m quintet.data [--quiet]`: fetch every data set into the cache. Exit code 2 if one is not to be had."""

import argparse
import importlib
import sys

from quintet.data import DataMissing, names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quintet.data", description="Fetch all data into the cache.")
    parser.add_argument("--quiet", action="store_true", help="say nothing about data that are already there")
    quiet = parser.parse_args(argv).quiet
    trouble = 0
    for name in names():
        try:
            source = importlib.import_module(f"quintet.data.{name}")
            fetched = source.fetch(say)
        except DataMissing as error:
            print(error, file=sys.stderr)
            trouble = 2
            continue
        if fetched or not quiet:
            say(f"{name}: ready in {source.folder()}")
    return trouble


def say(line: str) -> None:
    """Flushed, so that it stands in order with what the tools we start print themselves."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
