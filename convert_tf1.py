"""The earlier name of convert_checkpoint.py: python3 convert_tf1.py CHECKPOINT --name mine does the same."""

if __name__ == "__main__":
    from scribe.console import quiet_interrupts

    quiet_interrupts()

import sys

import convert_checkpoint


def main(argv=None):
    return convert_checkpoint.main(argv)


if __name__ == "__main__":
    sys.exit(main())
