"""What is done to the product while it is under load; a few lines each."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.torture.load import ANSWER_S
from tests.torture.stage import Stage, ViolationError

Act = Callable[[Stage, random.Random], None]


@dataclass(frozen=True)
class Scenario:
    """
    Something that may happen.

    Attributes:
        name: for the list of rounds.
        act: does it; what is left afterwards, `Stage.heal` takes away.
        needs: what of a stage it works on: "", `server` or `disk`.

    """

    name: str
    act: Act
    needs: str = ""

    def fits(self, stage: Stage) -> bool:
        """Say if it can be done here."""
        has = {
            "": True,
            "server": stage.network is not None,
            "disk": stage.disk is not None,
        }
        return has[self.needs]


def _soon(chance: random.Random, most: float = 1.2) -> None:
    """Wait until some moment of the load."""
    time.sleep(chance.uniform(0.02, most))


def nothing(_stage: Stage, chance: random.Random) -> None:
    """Load alone."""
    _soon(chance)


def kill_edge(stage: Stage, chance: random.Random) -> None:
    """One edge dies."""
    _soon(chance)
    stage.kill("edge", one=chance)


def kill_edges(stage: Stage, chance: random.Random) -> None:
    """All edges die."""
    _soon(chance)
    stage.kill("edge")


def kill_keeper(stage: Stage, chance: random.Random) -> None:
    """The keeper dies."""
    _soon(chance)
    stage.kill("keeper")


def kill_both(stage: Stage, chance: random.Random) -> None:
    """Edges and keeper die; the server starts them again."""
    _soon(chance)
    stage.kill("edge", "keeper")


def kill_twice(stage: Stage, chance: random.Random) -> None:
    """The keeper dies, and again while it is cleaning up."""
    _soon(chance)
    stage.kill("keeper")
    stage.until(
        lambda: stage.product.processes("keeper") != [], "no keeper is started again"
    )
    _soon(chance, 2)
    stage.kill("keeper")


def kill_server(stage: Stage, chance: random.Random) -> None:
    """`kastana serve` dies; what it started ends by itself."""
    _soon(chance)
    assert stage.product.process is not None
    stage.product.process.kill()
    stage.product.process.wait(10)


def kill_all(stage: Stage, chance: random.Random) -> None:
    """Everything dies at once."""
    _soon(chance)
    stage.kill_all()


def torn_tails(stage: Stage, chance: random.Random) -> None:
    """Everything dies, and behind what was synced lies what never was in full."""
    _soon(chance)
    stage.kill_all()
    for path in (stage.product.data / "spool" / "open").glob("*.ndjson"):
        whole = path.read_bytes()
        begun = whole[whole.rfind(b"\n", 0, -1) + 1 :][: chance.randint(1, 200)]
        noise = chance.randbytes(chance.randint(1, 5000)).replace(b"\n", b"")
        tail = chance.choice(
            [begun.rstrip(b"\n"), bytes(chance.randint(1, 5000)), noise]
        )
        with path.open("ab") as file:
            file.write(tail)


def end_in_order(stage: Stage, chance: random.Random) -> None:
    """Told to end, the product drains."""
    _soon(chance)
    stage.end_product()


def reload(stage: Stage, chance: random.Random) -> None:
    """All processes are replaced under load."""
    _soon(chance)
    done = stage.product.run("reload")
    if done.returncode != 0:
        raise ViolationError(f"not reloaded: {done.stderr!r}")


def stop_edge(stage: Stage, chance: random.Random) -> None:
    """An edge stands still for longer than clients wait, then goes on."""
    _soon(chance)
    _stand_still(stage, [chance.choice(stage.product.processes("edge"))], ANSWER_S + 1)


def stop_keeper(stage: Stage, chance: random.Random) -> None:
    """The keeper stands still, then goes on."""
    _soon(chance)
    _stand_still(stage, stage.product.processes("keeper"), chance.uniform(1, 3))


def stop_all(stage: Stage, chance: random.Random) -> None:
    """Everything stands still, as on a machine that was put to sleep."""
    _soon(chance)
    _stand_still(
        stage,
        stage.product.processes("edge") + stage.product.processes("keeper"),
        ANSWER_S + 1,
    )


def second_of_all(stage: Stage, chance: random.Random) -> None:
    """A second keeper and a second server end at once, and say why."""
    _soon(chance)
    for role, option in (("keeper", "--keeper-listen"), ("serve", "--listen")):
        done = stage.product.run(role, option, "127.0.0.1:0")
        if done.returncode != 78 or b"is running" not in done.stderr:
            raise ViolationError(f"second {role}: {done.returncode} {done.stderr!r}")


def refuse(stage: Stage, chance: random.Random) -> None:
    """The store's connections are cut for a while."""
    _faulty(stage, "refuse", chance.uniform(0.5, 1.5))


def err(stage: Stage, chance: random.Random) -> None:
    """The store says for a while that it has no memory left."""
    _faulty(stage, "err", chance.uniform(0.5, 1.5))


def refuse_and_kill(stage: Stage, chance: random.Random) -> None:
    """The keeper dies while the store is away."""
    _faulty(stage, chance.choice(["refuse", "err"]), chance.uniform(0.2, 1))
    assert stage.network is not None
    stage.network.fault = "refuse"
    stage.kill("keeper")
    _soon(chance)


def lose_answers(stage: Stage, chance: random.Random) -> None:
    """Inserts are taken, and their answers lost."""
    _losing(stage)
    time.sleep(chance.uniform(0.8, 1.5))


def lose_and_kill(stage: Stage, chance: random.Random) -> None:
    """An insert is taken, its answer lost, and the keeper dies."""
    _losing(stage)
    stage.kill(*chance.choice([("keeper",), ("edge", "keeper")]))
    _soon(chance)


def hang(stage: Stage, chance: random.Random) -> None:
    """The store takes its time over every insert."""
    _hanging(stage)
    time.sleep(chance.uniform(0.5, 2))


def late_insert(stage: Stage, chance: random.Random) -> None:
    """An insert is under way when the keeper dies, and is taken after the next's."""
    _hanging(stage)
    assert stage.network is not None
    stage.kill("keeper")
    stage.network.hang_no_more()
    _soon(chance, 4)


def stop_store(stage: Stage, chance: random.Random) -> None:
    """The store's server stands still, then goes on; the keeper may be another."""
    _soon(chance)
    stage.stop_store(going=False)
    time.sleep(chance.uniform(0.3, 2))
    if chance.random() < 0.5:
        stage.kill("keeper")
    time.sleep(chance.uniform(0.3, 1))
    stage.stop_store(going=True)


def kill_store(stage: Stage, chance: random.Random) -> None:
    """The store's server dies, and is started again."""
    _soon(chance)
    stage.kill_store()
    _soon(chance)
    stage.start_store()


def kill_store_and_all(stage: Stage, chance: random.Random) -> None:
    """Store and product die at once."""
    _soon(chance)
    stage.kill_store()
    stage.kill_all()


def disk_full(stage: Stage, chance: random.Random) -> None:
    """The spool's disk is full for a while."""
    _fill(stage, chance)
    time.sleep(chance.uniform(0.5, 2))


def disk_full_and_kill(stage: Stage, chance: random.Random) -> None:
    """Everything dies while the disk is full, and is started on a full disk."""
    _fill(stage, chance)
    stage.kill_all()
    stage.start(ready=False)
    _soon(chance)


def read_only(stage: Stage, chance: random.Random) -> None:
    """After a crash the spool's disk is read-only; made writable, all goes on."""
    _soon(chance)
    stage.kill_all()
    assert stage.disk is not None
    stage.disk.make_writable(writable=False)
    try:
        stage.start(ready=False)
        _soon(chance)
    finally:
        stage.disk.make_writable(writable=True)


def step_clock(stage: Stage, chance: random.Random) -> None:
    """The clock steps, and back."""
    _soon(chance, 0.5)
    stage.clock.step(chance.choice([-7200, -60, 60, 7200, 90_000]))
    time.sleep(0.5)


def step_clock_and_kill(stage: Stage, chance: random.Random) -> None:
    """The clock steps while everything is down."""
    _soon(chance)
    stage.kill_all()
    stage.clock.step(chance.choice([-7200, -60, 60, 7200]))
    stage.start()
    _soon(chance)


def _stand_still(stage: Stage, pids: list[int], seconds: float) -> None:
    for pid in pids:
        stage.signal(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        stage.signal(pid, signal.SIGCONT)


def _faulty(stage: Stage, fault: str, seconds: float) -> None:
    """Let every request end so, for a while after the first one did."""
    network = stage.network
    assert network is not None
    faults, network.fault = network.faults, fault
    stage.until(lambda: network.faults > faults, "nothing is asked")
    time.sleep(seconds)
    network.fault = ""


def _losing(stage: Stage) -> None:
    """Lose answers, and wait until one was."""
    network = stage.network
    assert network is not None
    lost, network.lose = network.lost, "kastana"
    stage.until(lambda: network.lost > lost, "nothing is inserted")


def _hanging(stage: Stage) -> None:
    """Let inserts wait, and wait until one does."""
    network = stage.network
    assert network is not None
    network.hang()
    stage.until(lambda: network.waiting > 0, "nothing is inserted")


def _fill(stage: Stage, chance: random.Random) -> None:
    _soon(chance)
    assert stage.disk is not None
    stage.disk.fill(chance.choice([0, 1, 4096, 20_000, 60_000]))


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("nothing", nothing),
        Scenario("kill_edge", kill_edge),
        Scenario("kill_edges", kill_edges),
        Scenario("kill_keeper", kill_keeper),
        Scenario("kill_both", kill_both),
        Scenario("kill_twice", kill_twice),
        Scenario("kill_server", kill_server),
        Scenario("kill_all", kill_all),
        Scenario("torn_tails", torn_tails),
        Scenario("end_in_order", end_in_order),
        Scenario("reload", reload),
        Scenario("stop_edge", stop_edge),
        Scenario("stop_keeper", stop_keeper),
        Scenario("stop_all", stop_all),
        Scenario("second_of_all", second_of_all),
        Scenario("refuse", refuse, "server"),
        Scenario("err", err, "server"),
        Scenario("refuse_and_kill", refuse_and_kill, "server"),
        Scenario("lose_answers", lose_answers, "server"),
        Scenario("lose_and_kill", lose_and_kill, "server"),
        Scenario("hang", hang, "server"),
        Scenario("late_insert", late_insert, "server"),
        Scenario("stop_store", stop_store, "server"),
        Scenario("kill_store", kill_store, "server"),
        Scenario("kill_store_and_all", kill_store_and_all, "server"),
        Scenario("disk_full", disk_full, "disk"),
        Scenario("disk_full_and_kill", disk_full_and_kill, "disk"),
        Scenario("read_only", read_only, "disk"),
        Scenario("step_clock", step_clock),
        Scenario("step_clock_and_kill", step_clock_and_kill),
    )
}
