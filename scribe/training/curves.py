"""The curves and pictures of a training run, for TensorBoard.

    curves = Curves("logs")
    curves.write(step, {"train/nats_per_point": 1.2})

A curve is a courtesy, the weights are the work: when the curves cannot be written any more, as on a full disk, a
warning says so once, and the run goes on without them.
"""

from scribe.network.tf_setup import describe, tf


class Curves:
    """Writes scalars to an events file.

    Args:
        folder: where the events file goes; None: nothing is written.
        write: takes a message, such as `Logger.write`.
    """

    def __init__(self, folder, write=print):
        self.folder, self._say = folder, write
        self._writer = None
        if folder is not None:
            self._try(lambda: setattr(self, "_writer", tf.summary.create_file_writer(folder)))

    def write(self, step, values):
        """Adds a point to each curve.

        Args:
            step: of the run. values: name of a curve -> number.
        """
        if self._writer is None:
            return

        def add():
            with self._writer.as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)

        self._try(add)

    def show(self, step, make):
        """Adds pictures.

        Args:
            step: of the run. make: returns the pictures, (name, uint8 [height, width, 3], description) of each; it is
                not called where nothing is written.
        """
        if self._writer is None:
            return

        def add():
            with self._writer.as_default(step=step):
                for name, picture, description in make():
                    tf.summary.image(name, picture[None], description=description)

        self._try(add)

    def close(self):
        """Writes out what is still in memory."""
        if self._writer is not None:
            self._try(self._writer.close)

    def _try(self, function):
        try:
            function()
        except (tf.errors.OpError, OSError) as error:
            self._writer = None
            self._say(f"Warning: {self.folder} cannot take curves any more ({describe(error)}): training on without.")
