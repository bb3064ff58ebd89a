"""``python -m kollarm``: the command, whatever PATH says."""

from kollarm.cli.main import script

if __name__ == "__main__":
    script()
