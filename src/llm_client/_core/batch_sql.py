"""What a batch that several processes share says to PostgreSQL: two tables, and one statement for each thing to do.

One row stands for an item that somebody has begun. It has an answer, or an owner with a lease, or a failure, or nothing
but the memory that it was begun. All clocks are the server's.
"""

from __future__ import annotations

from .batch_errors import CheckpointError
from .batch_job import ELSEWHERE, MINE, Claim, ClaimState

VERSION = 1
CREATING = 0x6C6C6D62
"""An advisory lock: CREATE TABLE IF NOT EXISTS can fail where two sessions run it at the same time."""

CREATE = (
    """
    CREATE TABLE IF NOT EXISTS llm_client_batch (
        job text PRIMARY KEY,
        version integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS llm_client_batch_item (
        job text NOT NULL,
        key text NOT NULL,
        result bytea,
        types text[] NOT NULL DEFAULT '{}',
        failure bytea,
        owner text,
        lease_until timestamptz,
        changed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (job, key)
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS llm_client_batch_item_owner ON llm_client_batch_item (owner) WHERE owner IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS llm_client_batch_item_types ON llm_client_batch_item (job) WHERE types <> '{}'
    """,
)

IS_MADE = "SELECT to_regclass('llm_client_batch_item_types') IS NOT NULL"
JOIN = "INSERT INTO llm_client_batch (job, version) VALUES (%(job)s, %(version)s) ON CONFLICT DO NOTHING"
GET_VERSION = "SELECT version FROM llm_client_batch WHERE job = %(job)s"
GET_TYPES = "SELECT DISTINCT unnest(types) FROM llm_client_batch_item WHERE job = %(job)s AND types <> '{}'"

# A row that another transaction is about to take is skipped, not waited for: its item is worked on elsewhere. Whoever
# asks for what is its own already has not heard the answer to its first claim: else its heartbeats kept it for ever.
CLAIM = """
    WITH added AS (
        INSERT INTO llm_client_batch_item (job, key, owner, lease_until)
        VALUES (%(job)s, %(key)s, %(owner)s, now() + make_interval(secs => %(lease)s))
        ON CONFLICT DO NOTHING
        RETURNING key
    ), free AS (
        SELECT key FROM llm_client_batch_item
        WHERE job = %(job)s AND key = %(key)s AND result IS NULL
            AND (owner IS NULL OR owner = %(owner)s OR lease_until < now())
        FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE llm_client_batch_item AS item
        SET owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease)s), changed_at = now()
        FROM free WHERE item.job = %(job)s AND item.key = free.key
        RETURNING item.key
    )
    SELECT
        EXISTS (SELECT FROM added) OR EXISTS (SELECT FROM taken),
        (SELECT result FROM llm_client_batch_item WHERE job = %(job)s AND key = %(key)s)
"""

# Whoever has an answer stores it, also where its lease has ended meanwhile; the first answer stays.
RECORD = """
    INSERT INTO llm_client_batch_item AS item (job, key, result, types) VALUES (%(job)s, %(key)s, %(result)s, %(types)s)
    ON CONFLICT (job, key) DO UPDATE
    SET result = excluded.result, types = excluded.types, failure = NULL, owner = NULL, lease_until = NULL,
        changed_at = now()
    WHERE item.result IS NULL
"""

RECORD_FAILURE = """
    UPDATE llm_client_batch_item
    SET failure = %(failure)s, owner = NULL, lease_until = NULL, changed_at = now()
    WHERE job = %(job)s AND key = %(key)s AND owner = %(owner)s
"""

RELEASE = """
    UPDATE llm_client_batch_item SET owner = NULL, lease_until = NULL
    WHERE job = %(job)s AND key = ANY(%(keys)s) AND owner = %(owner)s
"""

HEARTBEAT = """
    UPDATE llm_client_batch_item SET lease_until = now() + make_interval(secs => %(lease)s)
    WHERE owner = %(owner)s AND job = %(job)s
"""


def claim_of(mine: bool, result: bytes | None) -> Claim:
    """What the row that CLAIM returned says."""
    if result is not None:
        return Claim(ClaimState.DONE, result)
    return MINE if mine else ELSEWHERE


def check_version(version: int) -> None:
    """Refuse a job that a newer version of this library has begun.

    Raises:
        CheckpointError: This version cannot read it.
    """
    if version > VERSION:
        raise CheckpointError(
            f"the batch in PostgreSQL was begun by a newer version of this library (format {version}; this one reads "
            f"up to {VERSION}): update llm-client, or name another job. Nothing was changed."
        )


def is_address(checkpoint: object) -> bool:
    """Whether a checkpoint is a database and no file."""
    return isinstance(checkpoint, str) and checkpoint.startswith(("postgresql://", "postgres://"))


def check_job(name: str) -> str:
    """The name of a job.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty, too long or holds what PostgreSQL's text cannot.
    """
    if not isinstance(name, str):
        raise TypeError(f"job must be a name, got {type(name).__name__}")
    if not name or len(name) > 200 or "\0" in name:
        raise ValueError(f"job must have 1 to 200 characters and no NUL, got {name[:60]!r}")
    return name
