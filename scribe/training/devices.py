"""Training on several devices and machines: which lines each of them computes, and how their sums are added.

    python3 train.py --distribute mirrored          # all GPUs of this machine

    export TF_CONFIG='{"cluster": {"worker": ["one:2222", "two:2222"]}, "task": {"type": "worker", "index": 0}}'
    python3 train.py --distribute multiworker       # on every machine, each with its own index

A replica is a device that computes: each takes its share of the lines of the same batch. Its losses and gradients are
added to those of all others in one exchange a step (an all-reduce), and every process then takes the same step.

The weights, the optimizer and the average are plain variables, one set in each process, not MirroredVariables: changing
those takes a `merge_call`, which is not allowed in the `tf.cond` that skips a step that is not finite, and the
optimizers of Keras 2 and 3 disagree about who adds up gradients. All processes begin with the weights of the chief and
add the same numbers to them, so they stay the same; and a run may go on with more workers, or fewer, than it began
with. The cost: on one machine the other GPUs read the weights from the first one, once a step.
"""

import hashlib
import json
import signal

from scribe.console import say
from scribe.network.tf_setup import tf
from scribe.training.cluster import SINGLE_WORKER, Cluster

# What TensorFlow raises when another worker is gone: at once if its process died, after a timeout if its machine did.
WORKER_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,  # the other was restarted before this one
)
# Flags that may differ from worker to worker.
OWN_FLAGS = ("data_dir", "extra_data", "init_from", "save_path", "log_dir", "towers")


class Devices:
    """The devices of a run; without a strategy, one device that computes everything.

    Args:
        strategy: a tf.distribute.MirroredStrategy or MultiWorkerMirroredStrategy, or None.
        cluster: the `Cluster` that this process belongs to.

    Attributes:
        replicas: number of replicas, over all workers. workers: number of processes.
        chief: whether this worker writes checkpoints and logs.
    """

    def __init__(self, strategy=None, cluster: Cluster = SINGLE_WORKER):
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync if strategy else 1
        self.workers, self.chief = cluster.workers, cluster.rank == 0
        self._firsts = {}  # by dtype: the function that gives a vector of any length as the chief has it

    def sum(self, compute):
        """Adds up what every replica computes. To be called within a tf.function.

        Args:
            compute: function of the number of the replica, from 0 over all workers; returns a list of tensors of one
                type, whose shapes are the same in all replicas.

        Returns:
            the list of sums: the same, to the last bit, in all processes.
        """
        if self.strategy is None:
            return compute(0)

        def of_replica():
            context = tf.distribute.get_replica_context()
            parts = compute(context.replica_id_in_sync_group)
            together = tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)  # one exchange, not one per tensor
            together = context.all_reduce(tf.distribute.ReduceOp.SUM, together)
            sums = tf.split(together, [tf.size(part) for part in parts])
            return [tf.reshape(s, tf.shape(part)) for s, part in zip(sums, parts)]

        return [self.strategy.experimental_local_results(s)[0] for s in self.strategy.run(of_replica)]

    def _first(self, tensors):
        """The tensors, all of one dtype, as the chief has them. They travel as one vector, so that the function that
        exchanges it is traced once for each dtype, and not for each list of shapes."""
        dtype = tensors[0].dtype
        if dtype not in self._firsts:
            vector = tf.TensorSpec([None], dtype)
            self._firsts[dtype] = tf.function(self._of_first_replica, input_signature=[vector])
        together = self._firsts[dtype](tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0))
        parts = tf.split(together, [tf.size(tensor) for tensor in tensors])
        return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, tensors)]

    def _of_first_replica(self, vector):
        (first,) = self.sum(lambda replica: [tf.where(replica == 0, vector, tf.zeros_like(vector))])
        return first

    def from_chief(self, variables):
        """Sets variables to the values that they have on the chief."""
        if self.workers == 1:
            return
        variables = list(variables)
        for dtype in sorted({tf.as_dtype(v.dtype).name for v in variables}):
            group = [v for v in variables if tf.as_dtype(v.dtype).name == dtype]
            for variable, value in zip(group, self._first([tf.convert_to_tensor(v) for v in group])):
                variable.assign(value)

    def check(self, args, loader):
        """Raises ValueError if a replica would never have a line, or if the flags or lines of this worker are not the
        chief's: the sums would be meaningless."""
        if args.batch_size < self.replicas:
            raise ValueError(f"--batch_size {args.batch_size} has no line for some of the {self.replicas} devices.")
        if self.workers == 1:
            return
        flags = {name: value for name, value in vars(args).items() if name not in OWN_FLAGS}
        digest = hashlib.sha256(json.dumps(flags, sort_keys=True, default=str).encode())
        strokes, texts = loader.stroke_data + loader.valid_stroke_data, loader.ascii_data + loader.valid_ascii_data
        for line, text, name in zip(strokes, texts, loader.names + loader.valid_names, strict=True):
            digest.update(line.tobytes() + text.encode() + name.encode())
        own = int.from_bytes(digest.digest()[:7], "big")
        (chiefs,) = self._first([tf.constant(own, tf.int64)])
        if int(chiefs) != own:
            raise ValueError("the flags or the data of this worker differ from the chief's: give all of them the same.")

    def common_signal(self, number: int | None) -> int | None:
        """The signal that stops the run: one that any of the workers has received, or None.

        Args:
            number: signal.SIGTERM, signal.SIGINT or None, as this worker has received.
        """
        if self.workers == 1:
            return number
        stops = (signal.SIGTERM, signal.SIGINT)
        received = self._any(tf.constant([number == stop for stop in stops], tf.float32))
        return next((stop for stop, count in zip(stops, received.numpy()) if count), None)

    @tf.function
    def _any(self, flags):
        return self.sum(lambda replica: [flags])[0]


ONE_DEVICE = Devices()


class NullLogger:
    """The Logger of the workers that are not the chief: they would only repeat what it writes."""

    def write(self, text, print_it=True):
        pass


def describe_loss(error: Exception) -> str:
    """One line about an error of WORKER_LOST."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if "Collective ops" in line), (lines or ["no reason given"])[0])
    again = "Start the same command again on all of them: it goes on from the last save."
    return f"another worker was lost ({reason}). {again}"


def join(kind: str, cluster: Cluster) -> Devices:
    """Joins the devices that `--distribute` asks for; has to be called before TensorFlow runs its first operation.

    With several workers it waits until all of them are there.

    Args:
        kind: "none", "mirrored" or "multiworker". cluster: for "multiworker", see `read_cluster`.

    Raises:
        OSError: this worker cannot listen at its address.
    """
    if kind == "mirrored":
        return Devices(tf.distribute.MirroredStrategy())
    if kind == "multiworker":
        worker = f"Worker {cluster.rank + 1} of {cluster.workers}"
        say(f"{worker}, {cluster.address}: waits for the others.")
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait as well
        try:
            devices = Devices(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
        except tf.errors.UnknownError as error:
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            raise OSError(f"this worker cannot listen at {cluster.address}: {reason}") from None
        signal.signal(signal.SIGINT, before)
        say(f"{worker}: all are there, {devices.replicas} replicas.")
        return devices
    return ONE_DEVICE
