# What the generator can't know of the document: a JSON Schema says what one value may be, not what two of them mean
# together, nor what a meter, a clock or a former answer allows. A request that the schema allows is refused with one of
# these codes, or not at all.
import schemathesis

BEYOND_SCHEMAS = {
    # of parameters together, and with the meter
    "conflicting_parameters",
    "unknown_dimension",
    "window_too_small",
    "range_misaligned",
    "timezone_misaligned",
    "result_too_large",
    # a text of another answer
    "invalid_cursor",
    # what is there by then
    "version_mismatch",
    "idempotency_conflict",
    "in_progress",
    "customer_archived",
    "customer_erased",
    "already_rated",
    "assignments_full",
}

# Of a field: what is there, what the machine knows, and bounds that date-time does not have.
FIELDS_BEYOND_SCHEMAS = (
    "customer must be a customer that there is",
    "parent must ",
    "paidBy must be self where there is no parent",
    "timezone must be a time zone",
    "email must be an e-mail address",
    "from must be ",
)

# Of an event: when it happened, and what the meters of its type read in it.
EVENT_BEYOND_SCHEMAS = {
    # the 30th of February
    "invalid_time",
    "time_too_old",
    "time_in_future",
    "invalid_value",
    "missing_value",
    "invalid_group",
    "data_too_large",
    "nested_too_deep",
    "too_many_values",
}

# A schema says that a body of lines is a text, and no more.
LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl"}


def is_beyond_schemas(case, problem):
    code = problem.get("code")
    if code in BEYOND_SCHEMAS:
        return True
    if code == "invalid_parameter":
        detail = problem.get("detail", "")
        # The list of time zones is the machine's, and date-time has no bounds.
        if detail.startswith("search: must have at most 8 words"):
            return True
        return detail.startswith("timezone: ") or detail.endswith(" is not between 1970 and 2106")
    # The generator sends a header that is in quotes without them.
    if code == "invalid_request":
        return problem.get("detail", "").startswith("If-Match must be one ETag")
    if code == "invalid_field":
        return all(one["message"].startswith(FIELDS_BEYOND_SCHEMAS) for one in problem.get("faults", []))
    if case.media_type in LINES:
        return code in {"no_event_accepted", "empty_batch", "malformed_body"}
    if code == "no_event_accepted":
        return all(one["code"] in EVENT_BEYOND_SCHEMAS for one in problem.get("rejected", [{"code": ""}]))
    return False


@schemathesis.check
def schema_valid_request_is_answered(ctx, response, case):
    """Stands in for positive_data_acceptance, which takes no code for an answer."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code not in range(400, 500):
        return
    if response.status_code in {401, 403, 404, 429}:
        return
    problem = response.json()
    assert is_beyond_schemas(case, problem), f"the schema allows it: {problem.get('code')}, {problem.get('detail')}"
