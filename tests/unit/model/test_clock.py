"""What to think of the clock, by tables: each line is what the two clocks show, and what is decided by it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from upkeep.model.clock import ClockTrust, KnownClock, Sample, Witness, believe

T0 = 1_793_000_000.0
"""The time of day when machine "a" had been up for 1000 s."""
MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86400.0, 365.25 * 86400
TO_2098 = 72 * YEAR
RIGHT, SERVER = Witness("synchronized", 0.0), "server"


@dataclass
class Machine:
    """Two clocks, and what is known of them. off: by how much the time of day is wrong."""

    true: float = T0
    off: float = 0.0
    up: float = 1000.0
    boot: str = "a"
    known: KnownClock | None = None
    seen: list[ClockTrust] = field(default_factory=list)

    def look(self, *others: Witness) -> ClockTrust:
        sample = Sample(self.true + self.off, self.up, self.boot)
        trust = believe(sample, self.known, others)
        self.known = trust.known
        self.seen.append(trust)
        return trust

    def go(self, seconds: float, *others: Witness, step: float = 10.0) -> ClockTrust:
        """Let time go on, and look at it now and then."""
        while seconds > 0:
            self.true, self.up = self.true + min(step, seconds), self.up + min(step, seconds)
            seconds -= step
            trust = self.look(*others)
        return trust

    def reboot(self, away: float) -> None:
        self.true, self.up, self.boot = self.true + away, 20.0, self.boot + "'"

    @property
    def decided(self) -> float:
        """How much the time that decides is ahead of the true one."""
        return self.seen[-1].known.wall - self.true


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.look()
    made.go(60)
    return made


def test_what_goes_on_as_it_did_is_believed(machine: Machine) -> None:
    trust = machine.go(3 * DAY, step=3600)

    assert (trust.held, trust.step, machine.decided) == (False, 0, 0)
    assert trust.prune_at == trust.now


@pytest.mark.parametrize("off", [59, -59, 1, -1])
def test_less_than_a_minute_is_followed(machine: Machine, off: float) -> None:
    machine.off = off

    trust = machine.look()

    assert (trust.held, trust.step, machine.decided) == (False, 0, off)


@pytest.mark.parametrize("step", [61, HOUR, DAY, TO_2098])
def test_a_step_forward_is_held_and_time_stands_still(machine: Machine, step: float) -> None:
    machine.off = step

    first = machine.look()
    last = machine.go(290)

    assert [one.held for one in machine.seen[-30:]] == [True] * 30
    assert first.now == last.now  # for what follows it, no time passes
    assert last.step == step
    assert last.prune_at is None


@pytest.mark.parametrize("step", [61, HOUR, DAY, TO_2098])
def test_undone_within_five_minutes_it_never_was(machine: Machine, step: float) -> None:
    machine.off = step
    machine.go(70)
    machine.off = 0

    trust = machine.look()

    assert (trust.held, trust.step, machine.decided) == (False, 0, 0)
    assert trust.prune_at == trust.now


@pytest.mark.parametrize(
    ("step", "sure"), [(HOUR, True), (DAY, True), (DAY + 61, False), (TO_2098, False)]
)
def test_after_five_minutes_it_is_believed_but_a_large_one_removes_nothing(
    machine: Machine, step: float, sure: bool
) -> None:
    machine.off = step
    machine.go(299)
    assert machine.look().held

    machine.go(10)
    trust = machine.go(30 * DAY, step=3600)

    assert (trust.held, trust.step, machine.decided) == (False, 0, step)
    assert trust.prune_at is not None
    assert trust.prune_at.timestamp() == machine.true + (step if sure else 0)
    # … until something else says that it is right.
    agreed = machine.look(RIGHT)
    assert agreed.prune_at == agreed.now


def test_a_second_step_begins_its_own_five_minutes(machine: Machine) -> None:
    machine.off = HOUR
    machine.go(290)
    machine.off = 2 * HOUR

    assert machine.go(290).held
    assert not machine.go(20).held


@pytest.mark.parametrize(
    ("others", "held"),
    [
        ((), True),
        ((RIGHT,), False),
        ((Witness("x", 59, refutes=True),), False),
        ((Witness("x", -59, refutes=True),), False),
        ((Witness("x", -HOUR, refutes=True),), True),
        ((Witness("x", -HOUR),), True),
        ((Witness("x", -HOUR, refutes=True), RIGHT), False),
        ((Witness("x", -HOUR / 3),), True),
    ],
    ids=["none", "the kernel", "a little ahead", "a little behind", "another says no", "the kernel says no", "one of two", "neither"],
)  # fmt: skip
def test_who_agrees_ends_it_at_once(
    machine: Machine, others: tuple[Witness, ...], held: bool
) -> None:
    machine.off = HOUR

    trust = machine.look(*others)

    assert trust.held == held
    assert held or (machine.decided == HOUR and trust.prune_at == trust.now)


@pytest.mark.parametrize(
    ("witness", "held"),
    [
        (Witness("x", -HOUR, refutes=True), True),
        (Witness("x", -HOUR - 50, refutes=True), True),
        (Witness("x", -HOUR), False),
        (Witness("x", -100, refutes=True), False),
        (Witness("x", HOUR, refutes=True), False),
    ],
    ids=["it goes on as before", "nearly", "the kernel cannot refute", "nearer to the new", "further still"],
)  # fmt: skip
def test_who_knows_better_keeps_it_held(machine: Machine, witness: Witness, held: bool) -> None:
    machine.off = HOUR

    assert machine.go(HOUR, witness).held == held


@pytest.mark.parametrize("step", [-61, -HOUR, -TO_2098 / 2])
def test_a_step_backwards_is_believed_at_once_and_told_until_it_has_lasted(
    machine: Machine, step: float
) -> None:
    machine.off = step

    trust = machine.look()
    assert (trust.held, trust.step, machine.decided) == (False, step, step)
    assert machine.go(250).step == step
    assert machine.go(100).step == 0
    assert machine.go(10).prune_at == machine.seen[-1].now


def test_a_clock_that_comes_back_is_believed_at_once(machine: Machine) -> None:
    machine.off = -HOUR
    machine.go(200)
    machine.off = 0

    trust = machine.look()

    assert (trust.held, trust.step, machine.decided) == (False, 0, 0)
    assert trust.prune_at == trust.now


def test_2098_believed_and_back_is_not_2098_again(machine: Machine) -> None:
    machine.off = TO_2098
    machine.go(600)
    assert not machine.seen[-1].held
    machine.off = 0
    trust = machine.look()
    assert (trust.held, machine.decided, trust.prune_at) == (False, 0, trust.now)
    machine.go(20)
    machine.off = TO_2098

    assert machine.look().held


@pytest.mark.parametrize(
    ("away", "off", "held"),
    [
        (30, 0, False),
        (2 * DAY, 0, True),
        (30, HOUR, True),
        (30, TO_2098, True),
        (30, -T0, True),
        (HOUR, -2 * HOUR, True),
    ],
    ids=["a quick one", "it was off", "an hour ahead", "2098", "1970", "behind what was"],
)
def test_a_boot_goes_on_from_what_was_known(
    machine: Machine, away: float, off: float, held: bool
) -> None:
    before = machine.true
    machine.reboot(away)
    machine.off = off

    trust = machine.look()

    assert trust.held == held
    if held:
        assert trust.now.timestamp() == before
        assert not machine.look(RIGHT).held
        assert machine.decided == off


def test_boot_at_1970_then_the_network_sets_it(machine: Machine) -> None:
    machine.reboot(2 * HOUR)
    machine.off = 100_000 - machine.true
    machine.go(30)
    assert machine.seen[-1].held
    machine.off = 0

    trust = machine.look(RIGHT)

    assert (trust.held, trust.step, machine.decided) == (False, 0, 0)
    assert trust.prune_at == trust.now


def test_boot_at_1970_for_good_goes_on_after_five_minutes(machine: Machine) -> None:
    machine.reboot(2 * HOUR)
    machine.off = 100_000 - machine.true

    trust = machine.go(320)

    assert (trust.held, machine.decided) == (False, machine.off)
    assert trust.prune_at is not None
    assert trust.prune_at <= trust.now


def test_a_boot_ends_a_wrong_2098_that_was_believed(machine: Machine) -> None:
    machine.off = TO_2098
    machine.go(600)
    machine.reboot(600)
    machine.off = 0

    trust = machine.look()

    assert (trust.held, machine.decided) == (False, 0)
    trust = machine.go(310)
    assert (trust.step, trust.prune_at) == (0, trust.now)


def test_a_restart_of_the_program_goes_on_with_what_is_held(machine: Machine) -> None:
    machine.off = HOUR
    machine.go(100)
    machine.up, machine.true = machine.up + 150, machine.true + 150  # nobody looks meanwhile

    assert machine.look().held
    assert not machine.go(60).held


@pytest.mark.parametrize("up", [500.0, 20.0], ids=["a snapshot", "reset"])
def test_a_restored_machine_is_behind_until_its_clock_is_set(machine: Machine, up: float) -> None:
    machine.go(600)
    machine.off, machine.up = up - machine.up, up  # both clocks are those of the snapshot

    trust = machine.look()
    assert trust.held
    machine.off = 0
    trust = machine.look()

    assert not trust.held
    assert abs(machine.decided) <= MINUTE


def test_a_boottime_that_jumps_leaves_the_time_of_day(machine: Machine) -> None:
    machine.up += DAY

    trust = machine.look()

    assert not trust.held
    assert machine.decided == 0
    assert trust.step == -DAY  # by what the two clocks say, it went back


def test_a_machine_that_slept_is_right(machine: Machine) -> None:
    machine.go(8 * HOUR, step=8 * HOUR)  # CLOCK_BOOTTIME counts through it

    assert (machine.seen[-1].held, machine.decided) == (False, 0)


def test_a_clock_that_is_slewed_by_an_hour_is_followed(machine: Machine) -> None:
    for _ in range(2000):
        machine.off += 1.8
        machine.go(10)

    assert not any(one.held or one.step for one in machine.seen)
    assert machine.decided == pytest.approx(HOUR)
