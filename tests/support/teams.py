"""Processes that hold parts of tensors, played by threads of one process."""

import threading

import numpy as np

from learnerdsl.runtime.shards import Piece, Shard


class Meeting:
    """What the threads of a team exchange through."""

    def __init__(self, size):
        self.size = size
        self.barrier = threading.Barrier(size, timeout=60)
        self.rows = [None] * size
        self.exchanges = 0


class ThreadTeam:
    """The team of one thread; see `learnerdsl.runtime.shards.Team`."""

    def __init__(self, meeting, number):
        self.meeting = meeting
        self.size = meeting.size
        self.number = number

    def gather(self, values):
        meeting = self.meeting
        meeting.rows[self.number] = np.array(values)
        if self.number == 0:
            meeting.exchanges += 1
        meeting.barrier.wait()
        found = np.array(meeting.rows)
        meeting.barrier.wait()
        return found

    def exchange(self, values, sent, got):
        meeting = self.meeting
        assert len(values) == sum(sent)
        meeting.rows[self.number] = np.split(np.array(values), np.cumsum(sent)[:-1])
        if self.number == 0:
            meeting.exchanges += 1
        meeting.barrier.wait()
        found = [np.array(row[self.number]) for row in meeting.rows]
        meeting.barrier.wait()
        assert [len(row) for row in found] == list(got)
        return np.concatenate(found)


def boxes_of(shape, axis, size):
    """Return the parts that torch.chunk makes along an axis; the last ones may be empty."""
    length = shape[axis]
    step = -(-length // size)
    cuts = [min(k * step, length) for k in range(size + 1)]
    return tuple(
        tuple(
            slice(cuts[k], cuts[k + 1]) if a == axis else slice(0, n) for a, n in enumerate(shape)
        )
        for k in range(size)
    )


def pieces_of(arrays, boxes, team):
    """Return the parts of arrays that a thread holds; `boxes[name]` is None for a whole array."""
    found = {}
    for name, array in arrays.items():
        if boxes[name] is None:
            found[name] = np.array(array)
        else:
            shard = Shard(team, array.shape, boxes[name])
            found[name] = Piece(np.array(array[shard.own]), shard)
    return found


def in_threads(size, work):
    """Call `work(team)` in a thread for each member of a team; return its results."""
    meeting = Meeting(size)
    results, faults = [None] * size, []

    def run(number):
        try:
            results[number] = work(ThreadTeam(meeting, number))
        except BaseException as fault:
            faults.append(fault)
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for fault in faults:
        if not isinstance(fault, threading.BrokenBarrierError):
            raise fault
    if faults:
        raise faults[0]
    return results, meeting.exchanges


def cut(arrays, boxes, number):
    """Return the parts of arrays that a member of a team has; None stays None."""
    return {
        name: array
        if array is None or boxes[name] is None
        else np.ascontiguousarray(array[boxes[name][number]])
        for name, array in arrays.items()
    }


def whole_of(parts, boxes, like):
    """Return the arrays that the parts of all members make."""
    found = {}
    for name, array in like.items():
        found[name] = np.empty_like(array)
        for number, own in enumerate(parts):
            box = ... if boxes[name] is None else boxes[name][number]
            found[name][box] = own[name]
    return found


class Parts:
    """Learners of one rule that train parts of the same arrays, one in each thread.

    Args:
        rule: the rule.
        start: the parameters before the first update, by name.
        axes: parameter -> the axis along which it is divided; None for a whole parameter.
        size: the number of threads.
        options: further arguments of the learners.
    """

    def __init__(self, rule, start, axes, size, **options):
        self.rule = rule
        self.start = start
        self.size = size
        self.options = options
        self.boxes = {
            n: None if axes[n] is None else boxes_of(array.shape, axes[n], size)
            for n, array in start.items()
        }
        self.exchanges = 0

    def train(self, updates):
        """Do updates of (gradients, extras); return the parameters and what the updates said."""

        def work(team):
            own = pieces_of(self.start, self.boxes, team)
            learner = self.rule(own, **self.options)
            arrays = {n: getattr(piece, "array", piece) for n, piece in own.items()}
            said = []
            for gradients, extras in updates:
                given = {
                    n: cut(e, self.boxes, team.number) if isinstance(e, dict) else e
                    for n, e in extras.items()
                }
                said.append(learner.update(cut(gradients, self.boxes, team.number), **given))
            self.states = {n: dict(own) for n, own in learner.state.items()}
            return arrays, said

        results, self.exchanges = in_threads(self.size, work)
        assert all(said == results[0][1] for _, said in results)
        parts = [arrays for arrays, _ in results]
        return whole_of(parts, self.boxes, self.start), results[0][1]
