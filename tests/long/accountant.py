"""accountant.py DPSWEEP POINTS SEED: one line for each point, which ends with "fine" or with what is wrong.

dp-accounting's PLD accountant brackets epsilon: `pld` from above, with its default grid of 1e-4, and `optimistic` from
below.  For small epsilon the two are far apart.  Its FFT has no error bound: for tiny delta and many steps `optimistic`
can exceed even the bound of its own RDP accountant on many orders, and then neither is compared.  So
    always                               prv_lower <= pld + 0.5 %,  prv_upper <= pld + 2 %
    where dp-accounting agrees with it   prv_upper >= optimistic - 0.5 %
    ... and is 0.5 % sharp               prv_upper >= pld - 0.5 %
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


MANY_ORDERS = [1 + 0.01 * 1.1 ** i for i in range(140)]


def of_rdp(s, q, n, delta, orders=None):
    accountant = rdp_privacy_accountant.RdpAccountant(orders)
    accountant.compose(dp_accounting.SelfComposedDpEvent(
        dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(s)), n))
    return accountant.get_epsilon(delta)


def point(rng):
    s = math.exp(rng.uniform(math.log(0.3), math.log(20)))
    q = 1.0 if rng.random() < 0.05 else 10 ** rng.uniform(-6, 0)
    return s, q, int(10 ** rng.uniform(0, 6)), 10 ** rng.uniform(-12, -3)


def faults(a, rdp, pld, optimistic, is_consistent, participations):
    lower, upper = a["prv_lower"], a["prv_upper"]
    tests = {
        "bounds cross": lower > upper,
        "rdp below prv_lower": a["rdp"] < lower,
        "rdp above 1.001 google_rdp": a["rdp"] > 1.001 * rdp + TINY,
        "prv_lower above pld": lower > 1.005 * pld + TINY,
        "prv_upper above pld + 2 %": upper > 1.02 * pld + TINY,
        "prv_upper below the optimistic pld": is_consistent and upper < 0.995 * optimistic - TINY,
        "prv_upper below pld - 0.5 %":
            is_consistent and pld - optimistic < 0.005 * pld and upper < 0.995 * pld - TINY,
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
        is_consistent = not optimistic > of_rdp(s, q, n, delta, MANY_ORDERS)
        wrong = faults(a, rdp, pld, optimistic, is_consistent, q * n)
        print(f"# {i} s {s:.4g} q {q:.4g} N {n} delta {delta:.3g}: prv {a['prv_lower']:.7g} {a['prv_upper']:.7g} "
              f"pld {optimistic:.7g} {pld:.7g} rdp {a['rdp']:.6g} google_rdp {rdp:.6g}"
              f"{' (pld took too much)' if math.isnan(pld + optimistic) else ''}"
              f"{'' if is_consistent else ' (pld above rdp on many orders)'} {', '.join(wrong) or 'fine'}",
              flush=True)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
