"""accountant.py DPSWEEP POINTS SEED: one line for each point, which ends with "fine" or with what is wrong.

dp-accounting's PLD accountant brackets epsilon: `pld` from above, with its default grid of 1e-4, and `optimistic` from
below.  For small epsilon the two are far apart.  Its FFT is raised to the power N, which rounds by up to N 2^-53 of all
mass: a delta below ten times that is one it cannot tell (of 1.9e-12 after 256,191 steps, its single step composed in
another way gives 1000.97, as ours, and its own composition 1248).  So
    where delta > 10 N 2^-53             prv_lower <= pld + 0.5 %,  prv_upper <= pld + 2 %,
                                         prv_upper >= optimistic - 0.5 %
    ... and pld is 0.5 % sharp           prv_upper >= pld - 0.5 %
    always                               prv_lower <= rdp <= 1.001 google_rdp
    where q N >= 100                     prv_upper - prv_lower <= 0.1 % + 1e-3
A calculation of dp-accounting that takes more than a minute or 8 GiB is left out, and the line says so."""
import json
import logging
import math
import random
import resource
import signal
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import dp_accounting
from dp_accounting.pld import privacy_loss_distribution
from dp_accounting.rdp import rdp_privacy_accountant

TINY = 2e-6  # absolute: dp-accounting's own rounding near 0


class TooLong(Exception):
    pass


def too_long(*_):
    raise TooLong


signal.signal(signal.SIGALRM, too_long)


def of_pld(s, q, n, delta, pessimistic):
    signal.alarm(60)
    try:
        pld = privacy_loss_distribution.from_gaussian_mechanism(
            s, sampling_prob=q, pessimistic_estimate=pessimistic, value_discretization_interval=1e-4)
        return pld.self_compose(n).get_epsilon_for_delta(delta)
    except (TooLong, MemoryError):
        return math.nan
    finally:
        signal.alarm(0)


def of_rdp(s, q, n, delta):
    accountant = rdp_privacy_accountant.RdpAccountant()
    accountant.compose(dp_accounting.SelfComposedDpEvent(
        dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(s)), n))
    return accountant.get_epsilon(delta)


def point(rng):
    s = math.exp(rng.uniform(math.log(0.3), math.log(20)))
    q = 1.0 if rng.random() < 0.05 else 10 ** rng.uniform(-6, 0)
    return s, q, int(10 ** rng.uniform(0, 6)), 10 ** rng.uniform(-12, -3)


def faults(a, rdp, pld, optimistic, can_tell, participations):
    lower, upper = a["prv_lower"], a["prv_upper"]
    tests = {
        "bounds cross": lower > upper,
        "rdp below prv_lower": a["rdp"] < lower,
        "rdp above 1.001 google_rdp": a["rdp"] > 1.001 * rdp + TINY,
        "prv_lower above pld": can_tell and lower > 1.005 * pld + TINY,
        "prv_upper above pld + 2 %": can_tell and upper > 1.02 * pld + TINY,
        "prv_upper below the optimistic pld": can_tell and upper < 0.995 * optimistic - TINY,
        "prv_upper below pld - 0.5 %":
            can_tell and pld - optimistic < 0.005 * pld and upper < 0.995 * pld - TINY,
        "gap": participations >= 100 and upper - lower > 1e-3 * upper + 1e-3,
        "wide not said": a["wide"] != (upper - lower > 1e-3 * upper + 1e-3),
    }
    return [name for name, is_wrong in tests.items() if is_wrong]


def main(program, points, seed):
    rng = random.Random(seed)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # dp-accounting wants more for some points
    for i in range(1, points + 1):
        s, q, n, delta = point(rng)
        command = [program, "accountant", "--noise-multiplier", repr(s), "--sample-rate", repr(q), "--steps", str(n),
                   "--delta", repr(delta), "--json"]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            print(f"# {i} {' '.join(command[2:])}: {answer.stderr}", flush=True)
            continue
        a = json.loads(answer.stdout)
        rdp, pld, optimistic = of_rdp(s, q, n, delta), of_pld(s, q, n, delta, True), of_pld(s, q, n, delta, False)
        can_tell = delta > 10 * n * 2 ** -53
        wrong = faults(a, rdp, pld, optimistic, can_tell, q * n)
        print(f"# {i} s {s:.4g} q {q:.4g} N {n} delta {delta:.3g}: prv {a['prv_lower']:.7g} {a['prv_upper']:.7g} "
              f"pld {optimistic:.7g} {pld:.7g} rdp {a['rdp']:.6g} google_rdp {rdp:.6g}"
              f"{' (pld took too much)' if math.isnan(pld + optimistic) else ''}"
              f"{'' if can_tell else ' (pld cannot tell)'} {', '.join(wrong) or 'fine'}",
              flush=True)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
