"""A *trace* is a folder of what a coordinator saw and judged, and of what Nova's own rule said beside it.

Each start of a recorder opens a *run*, in files ``RUN-NNNN.jsonl`` (RUN is the UTC time of the start,
``20261130T190000Z``). Closed files are ``.jsonl.gz``. Each file can be read alone: it begins with a header
(:class:`~musterd.trace.lines.TraceHeader`), and names each member before the first line about it. The
format for people is in ``docs/trace.md``. What readers must know besides:

* All ``t`` are seconds since the run's start, by the monotonic clock.
* A file that goes on a run repeats what still holds, with the ``t`` at which that began: how each shard's
  sweeps end (``s``), verdicts that are not ``up`` (``d``), and members whom a rule calls dead (``n`` with 0).
  Who reads all files of a run meets these lines twice. Of a member of which such a file says no more, the
  verdict was up, and the rule said alive. In a run's first file each member has a ``d`` line once judged.
* A member that was forgotten has a last ``d`` line with the state ``gone``, which ends whatever a rule said
  of it; one of the same name that comes later has another number.
* Where settings change while a coordinator runs, a file with another header begins.
* Where lines were lost (a full disk), the file ends there, perhaps in the middle of a line, and the next one
  has an ``e`` line ``lost``.
* More items may follow in later versions; unknown kinds of lines and of events are to be passed over.
"""
