"""The tables of the ledger, as a list of steps from one schema version to the next."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE counter (n INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);
    CREATE TABLE runs (
        run INTEGER PRIMARY KEY,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        marks TEXT NOT NULL DEFAULT '???',
        configuration TEXT NOT NULL DEFAULT '',
        start REAL,
        stop REAL,
        attempts INTEGER NOT NULL DEFAULT 0,
        size INTEGER,
        percent INTEGER,
        rev INTEGER NOT NULL
    );
    CREATE INDEX runs_rev ON runs (rev);
    CREATE TABLE gone (run INTEGER PRIMARY KEY, rev INTEGER NOT NULL);
    CREATE TABLE evidence (
        run INTEGER PRIMARY KEY,
        disk INTEGER NOT NULL,
        artdaqdb TEXT NOT NULL,
        ucondb TEXT NOT NULL,
        data TEXT NOT NULL
    );
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        stage TEXT NOT NULL,
        number INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        job INTEGER,
        worker TEXT NOT NULL DEFAULT '',
        store TEXT,
        phase TEXT,
        code TEXT,
        retryable INTEGER,
        message TEXT,
        hint TEXT
    );
    CREATE INDEX attempts_run ON attempts (run, stage);
    CREATE INDEX attempts_job ON attempts (job);
    CREATE INDEX attempts_open ON attempts (job) WHERE ended IS NULL;
    CREATE TABLE checks (
        id INTEGER PRIMARY KEY,
        run INTEGER,
        stage TEXT,
        name TEXT NOT NULL,
        verdict TEXT NOT NULL,
        evidence TEXT NOT NULL,
        hint TEXT NOT NULL,
        seconds REAL NOT NULL,
        at REAL NOT NULL,
        job INTEGER
    );
    CREATE INDEX checks_run ON checks (run);
    CREATE TABLE hashes (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        hop TEXT NOT NULL,
        digest TEXT NOT NULL,
        input TEXT NOT NULL,
        at REAL NOT NULL,
        tool TEXT NOT NULL,
        job INTEGER
    );
    CREATE INDEX hashes_run ON hashes (run);
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        user TEXT NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        born TEXT NOT NULL,
        total INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        started REAL NOT NULL,
        updated REAL NOT NULL,
        ended REAL,
        rate REAL NOT NULL DEFAULT 0,
        eta REAL,
        message TEXT NOT NULL DEFAULT '',
        workers TEXT NOT NULL DEFAULT '[]',
        details TEXT NOT NULL DEFAULT '{}',
        cancel INTEGER NOT NULL DEFAULT 0,
        rev INTEGER NOT NULL
    );
    CREATE INDEX jobs_rev ON jobs (rev);
    CREATE INDEX jobs_open ON jobs (id) WHERE ended IS NULL;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        severity TEXT NOT NULL,
        message TEXT NOT NULL,
        run INTEGER,
        stage TEXT,
        job INTEGER,
        writer TEXT NOT NULL
    );
    CREATE INDEX events_run ON events (run) WHERE run IS NOT NULL;
    CREATE INDEX events_job ON events (job) WHERE job IS NOT NULL;
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        who TEXT NOT NULL,
        kind TEXT NOT NULL,
        run INTEGER,
        reason TEXT NOT NULL
    );
    CREATE INDEX decisions_run ON decisions (run);
    CREATE TABLE listings (
        name TEXT PRIMARY KEY,
        token TEXT NOT NULL,
        at REAL NOT NULL,
        data BLOB NOT NULL
    );
    """,
    """
    CREATE INDEX runs_state ON runs (state);
    CREATE INDEX runs_endless ON runs (state) WHERE stop IS NULL AND size > 0;
    CREATE INDEX evidence_unseen ON evidence (run) WHERE disk = 1 AND data = '{}' AND (artdaqdb = '' OR ucondb = '');
    """,
)
"""Step i brings a ledger of version i to version i + 1; a step that was ever released is never changed."""

VERSION = len(MIGRATIONS)
