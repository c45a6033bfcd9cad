import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy import stats

from scripts import tabulated
from scripts.tabulated import NORMAL_CDF, NORMAL_GUIDE, exp, normal_quantile, power
from scripts.tabulated_kernels import normal_cdf, triangular, truncated_normal


def test_normal_table_is_exact_to_its_grain_on_every_machine():
    getcontext().prec = 40
    step = Decimal(2) ** -32
    for k in range(513):
        z = Decimal(k) / 64
        term, total, i = z, z, 0
        while abs(term) > Decimal(10) ** -38:
            i += 1
            term = -term * z * z / (2 * i)
            total += term / (2 * i + 1)
        pi = Decimal("3.14159265358979323846264338327950288419717")
        exact = Decimal(1) / 2 + total / (2 * pi).sqrt()
        table = Decimal(float(NORMAL_CDF[512 + k]))
        assert abs(table - exact) <= step / 2 + Decimal(10) ** -13
        grain = exact / step % 1
        assert abs(grain - Decimal(1) / 2) > Decimal(10) ** -5


def test_truncated_normal_is_scipys():
    u = np.linspace(0.001, 0.999, 999)
    for mean, sd in ((0.0, 0.2), (0.9, 0.5), (1.5, 0.6), (-1.4, 2.0), (0.3, 0.01)):
        a, b = (-1.0 - mean) / sd, (1.0 - mean) / sd
        expected = stats.truncnorm.ppf(u, a, b, mean, sd)
        found = np.array(
            [truncated_normal(one, mean, sd, 1.0, NORMAL_CDF, NORMAL_GUIDE) for one in u]
        )
        assert found == pytest.approx(expected, abs=0.01 * sd)
        assert (np.abs(found) <= 1.0).all()
    p = np.linspace(0.0, 1.0, 1001)
    back = [normal_cdf(z, NORMAL_CDF) for z in normal_quantile(p)]
    assert back == pytest.approx(p, abs=1e-9)


def test_the_guide_leads_to_the_last_step_that_rises_and_is_not_above():
    rng = np.random.default_rng(0)
    p = np.concatenate((rng.random(2000), NORMAL_CDF, np.arange(1025) / 1024, [1e-12, 1.0]))
    step = np.minimum(
        np.searchsorted(NORMAL_CDF, p, side="right"), np.searchsorted(NORMAL_CDF, 1.0)
    )
    low, high = NORMAL_CDF[step - 1], NORMAL_CDF[step]
    expected = (step - 1 + (p - low) / (high - low)) / 64 - 8
    assert normal_quantile(p).tolist() == expected.tolist()


def test_exp_table_is_exact_to_its_grain_on_every_machine():
    getcontext().prec = 40
    for k in range(-1024, 1025):
        exact = (Decimal(k) / 64).exp()
        mantissa, exponent = math.frexp(float(tabulated._EXP[k + 1024]))
        grain = exact / Decimal(2) ** (exponent - 32)
        assert abs(Decimal(mantissa) * 2**32 - grain) <= Decimal("0.5")
        assert k == 0 or abs(grain % 1 - Decimal("0.5")) > Decimal(10) ** -5


def test_exp_is_near_numpys_and_clipped():
    x = np.linspace(-15.9, 15.9, 4001)
    assert exp(x) == pytest.approx(np.exp(x), rel=1e-4)
    assert exp(np.array([0.0, -99.0, 99.0])).tolist() == pytest.approx(
        [1.0, math.exp(-16), math.exp(16)]
    )


def test_triangular_is_scipys():
    u = np.linspace(0.001, 0.999, 999)
    expected = stats.triang.ppf(u, 0.5, -1.0, 2.0)
    assert [triangular(one) for one in u] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("exponent", [0.0, 0.25, 0.7998046875, 1.0, 1.5, 2.0])
def test_power_is_numpys_for_multiples_of_its_step(exponent):
    x = np.array([0.0, 1e-6, 0.3, 1.0, 7.0, 3.1e7])
    assert power(x, exponent) == pytest.approx(x**exponent, rel=1e-12)
    assert power(x, 1.0).tolist() == x.tolist()
