"""What api.yaml cannot tell Schemathesis, and what keeps a run from locking itself out."""

import itertools
import os

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.generation.meta import TestPhase

# The users on whose behalf the requests are made, made for this run by scripts/contract.sh.
OWN_USERS = os.environ["FUZZ_USERS"].split()
IS_ADMINISTRATOR = os.environ["FUZZ_ROLE"] == "ADMIN"
OTHER_USER = "NOBODY"

# Rules about stored data or about two fields, which a schema cannot state. They may refuse a
# request that the schema allows, with 400 and exactly these texts. Any other refusal is a finding.
RULES_BEYOND_SCHEMAS = (
    "`cursor` must be one that an answer to this same reading gave",
    "`experiment_id` cannot be changed",
    "`experiments` must hold ids of experiments that you may read",
    "`expires_in_days` must be an integer from 1 to 365",
    "`experiments` must hold ids of experiments only",
    "`from` must be before `to`",
    "`measure_type` must be the name of a measure type",
    "`max_points` must not be given together with `window`",
    "`measure_type_id` cannot be changed",
    "`name` cannot be changed",
    "`name` cannot be changed, since measures refer to it",
    "`reason` must be given, or `from` or `to`",
    "`name` must have at most 255 bytes",
    "`role` cannot be changed",
    "`sensor` must be the name of a sensor of the experiment, or empty for measures without one",
    "`to` must be after `from`",
    "`type` must be the name of a measure type, such as `hertz`",
    "`user_id` cannot be changed",
    "`user_id` must be a scientist's",
    "`user_ids` must be ids of scientists",
)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Leaves out a good request's refusal by one of the rules above."""
    is_refusal = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 400
    return not (is_refusal and response.json()["detail"] in RULES_BEYOND_SCHEMAS)


# Existing values for every other valid request: nearly all random ones would be unknown. `None`
# keeps the generated value.
EXISTING = {
    "experiment_id": itertools.cycle([1, None, 2, None, 1, None, 3, None]),
    "user_id": itertools.cycle(["S001", None, OWN_USERS[-1], None, "A001", None, "S002", None]),
    "id": itertools.cycle([1, None, 2, None, 3, None]),
    "flag_id": itertools.cycle([1, None, 2, None]),
    "token_id": itertools.cycle([1, None, 2, None]),
    "measure_type_id": itertools.cycle([1, None, 16, None]),
    "name": itertools.cycle(["thermometer-1", None]),
}
# Omitted from every other valid request that has both.
WIDTHS = itertools.cycle(["max_points", "window"])
MEASURE_TYPES = itertools.cycle(["hertz", "degree Celsius", "ohm"])


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes good requests about what there is, and keeps the run's own users out of reach."""
    is_good = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    # In that phase requests use resources that earlier ones have created.
    if is_good and case.meta.phase.name != TestPhase.STATEFUL:
        name_existing_things(case)
    spare_own_users(case)


def name_existing_things(case):
    for name in case.path_parameters or {}:
        existing = next(EXISTING[name], None) if name in EXISTING else None
        if existing is not None:
            case.path_parameters[name] = existing
    if case.path.endswith("/flags/") and isinstance(case.body, dict):
        case.body.pop("sensor", None)
        if isinstance(case.body.get("measure_type"), str):
            case.body["measure_type"] = next(MEASURE_TYPES)
    if isinstance(case.query, dict):
        # A cursor cannot be invented, and a measure type must be a stored one.
        case.query.pop("cursor", None)
        if {"max_points", "window"} <= case.query.keys():
            case.query.pop(next(WIDTHS))
        # There may be no sensor; the closest name is suggested.
        case.query.pop("sensor", None)
        if "type" in case.query:
            case.query["type"] = [next(MEASURE_TYPES) for _ in case.query["type"]]


def spare_own_users(case):
    """Replaces the run's users in requests that would erase or rename them and end the run.

    The service trims white space around an id, so this does too.
    """
    parameters = case.path_parameters or {}
    user_id = parameters.get("user_id")
    is_own = isinstance(user_id, str) and user_id.strip() in OWN_USERS
    does_harm = case.method.upper() == "DELETE" or (IS_ADMINISTRATOR and case.method.upper() == "PUT")
    if is_own and does_harm:
        parameters["user_id"] = OTHER_USER


# The document limits times to 1970 to 2262. Random date-times are too rarely within that range.
schemathesis.openapi.format(
    "date-time",
    st.builds(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}".format,
        st.integers(1970, 2261),
        st.integers(1, 12),
        st.integers(1, 28),
        st.integers(0, 23),
        st.integers(0, 59),
        st.integers(0, 59),
        st.sampled_from(["", ".5", ".123456789", ".000000001"]),
        st.sampled_from(["Z", "z", "-00:00", "-11:30"]),
    ),
)
