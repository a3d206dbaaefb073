"""What a request asks of a relation, once its headers, its query string and its body have been read.

What is wrong is told in one order: the path, the verb, the profile, the form of the answer, the query's syntax, the
body's syntax, the body's columns; then what the query means. Nothing of the ledger has been read by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pgrest.admission import Caller
from pgrest.binding import BoundQuery, bind_query
from pgrest.bodies import Payload, read_body
from pgrest.columns import Column, Relation
from pgrest.errors import Code, RefusedError
from pgrest.media import MediaType, choose_media
from pgrest.preferences import Preferences, read_preferences
from pgrest.profiles import check_profile
from pgrest.query import Parameter, read_query, split_query
from pgrest.syntax import Query
from pgrest.verbs import check_conflict, check_parameters
from pgrest.wire import Request
from pgrest.writes import choose_columns

_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})
COUNTS_HEADER = "jobruns-counts"
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, and by whom.

    Parameters
    ----------
    caller : Caller
        Who.
    request : Request
        With what.
    media : MediaType
        Form of the answer.
    preferences : Preferences
        What the caller prefers.
    parameters : tuple
        Of the query string, as they were sent.
    query : Query
        What they say.
    bound : BoundQuery
        What that means here.
    payload : Payload
        Rows of the body; none where the verb has no body.
    columns : tuple of Column
        Those of the payload that count.
    headers : mapping
        Headers of every answer to it.
    """

    caller: Caller
    request: Request
    media: MediaType
    preferences: Preferences
    parameters: tuple[Parameter, ...]
    query: Query
    bound: BoundQuery
    payload: Payload
    columns: tuple[Column, ...]
    headers: Mapping[str, str]

    @property
    def relation(self) -> Relation:
        """What is asked."""
        return self.bound.relation


def read_asked(caller: Caller, request: Request, relation: Relation) -> Asked:
    """Read what a request asks of a relation that serves its verb.

    Raises
    ------
    RefusedError
        Something of it cannot be read, or is not served.
    """
    verb, headers = request.verb, request.headers
    profile = check_profile(verb, headers)
    media = choose_media(headers.get("accept"))
    preferences = read_preferences(headers.get("prefer"))
    parameters = split_query(request.query)
    query = read_query(parameters)
    check_parameters(verb, query)
    check_conflict(query, relation)
    payload = Payload((), ())
    if verb in _WITH_BODY:
        payload = read_body(headers.get("content-type"), request.body, columns_given=query.columns is not None)
    applied = preferences.applied(verb)
    return Asked(
        caller=caller,
        request=request,
        media=media,
        preferences=preferences,
        parameters=parameters,
        query=query,
        columns=choose_columns(payload, relation, query.columns if verb in _WITH_BODY else None),
        bound=bind_query(query, relation, preferences.zone),
        payload=payload,
        headers={**profile, **({"Preference-Applied": applied} if applied else {})},
    )


def read_counts(headers: Mapping[str, str]) -> bool | None:
    """Read the header that says whether the runs written count as successes of their job; ``None`` where it is not.

    Raises
    ------
    RefusedError
        It is neither true nor false.
    """
    text = headers.get(COUNTS_HEADER)
    if text is None:
        return None
    if (counts := _TRUTHS.get(text.strip().lower())) is None:
        raise RefusedError(
            Code.BAD_LITERAL,
            f'invalid input syntax for type boolean: "{text[:80]}"',
            hint="Jobruns-Counts is true or false.",
        )
    return counts
