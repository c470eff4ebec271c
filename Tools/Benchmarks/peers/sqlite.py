"""SQLite with FTS5 and sqlite-vec, in one database for all users."""

from . import rounds, words

# Of each list: those that are in neither are not looked at, which is less work than the whole scope.
CANDIDATES = 200

SCHEMA = """
CREATE TABLE memories(id INTEGER PRIMARY KEY, user TEXT NOT NULL, text TEXT NOT NULL, session TEXT, speaker TEXT, created INTEGER NOT NULL);
CREATE INDEX by_user ON memories(user, created);
CREATE VIRTUAL TABLE words USING fts5(user, text, content='memories', content_rowid='id', tokenize='porter unicode61');
INSERT INTO words(words, rank) VALUES('rank', 'bm25(0.0, 1.0)');
CREATE VIRTUAL TABLE vectors USING vec0(id INTEGER PRIMARY KEY, user TEXT PARTITION KEY, embedding FLOAT[384] DISTANCE_METRIC=cosine);
"""

WORDS = """
SELECT m.text, f.score FROM (SELECT rowid AS id, -rank AS score FROM words WHERE words MATCH :words ORDER BY rank LIMIT :limit) f
JOIN memories m ON m.id = f.id ORDER BY f.score DESC
"""

# Only for the fusion of a whole scope: sqlite-vec returns at most 4,096 neighbors.
EMBEDDINGS = """
CREATE TABLE embeddings(id INTEGER PRIMARY KEY, user TEXT NOT NULL, embedding BLOB NOT NULL);
CREATE INDEX embeddings_by_user ON embeddings(user);
"""

NEAREST = "SELECT id, 1 - distance AS cosine FROM vectors WHERE embedding MATCH :vector AND k = :candidates AND user = :user"
NEAR = "SELECT id, 1 - vec_distance_cosine(embedding, :vector) AS cosine FROM embeddings WHERE user = :user"
BEST_SAID = "SELECT rowid AS id, -rank AS score FROM words WHERE words MATCH :words ORDER BY rank LIMIT :candidates"
SAID = "SELECT rowid AS id, -bm25(words, 0.0, 1.0) AS score FROM words WHERE words MATCH :words"

# The weighted sum of both scores, each scaled by its least and its greatest; the least BM25 is 0, that of a memory with none of the words.
HYBRID = """
WITH near AS MATERIALIZED ({near}), said AS MATERIALIZED ({said}),
ends AS MATERIALIZED (SELECT (SELECT MIN(cosine) FROM near) AS least, (SELECT MAX(cosine) FROM near) AS greatest, (SELECT MAX(score) FROM said) AS best)
SELECT m.text, f.score FROM (
  SELECT id, SUM(part) AS score FROM (
    SELECT id, (cosine - least) / MAX(greatest - least, 1e-9) AS part FROM near, ends
    UNION ALL SELECT id, score / best FROM said, ends)
  GROUP BY id ORDER BY score DESC LIMIT :limit) f
JOIN memories m ON m.id = f.id ORDER BY f.score DESC
"""
# By what is searched: the statement, and the end of the name of the side.
STATEMENTS = {
    "words": (WORDS, "SQLite FTS5"),
    "best": (HYBRID.format(near=NEAREST, said=BEST_SAID), f"SQLite FTS5 + sqlite-vec, best {CANDIDATES}"),
    "scope": (HYBRID.format(near=NEAR, said=SAID), "SQLite FTS5 + sqlite-vec, whole scope"),
}
NOTES = {
    "words": "BM25 counts the memories of all users",
    "best": f"fuses the best {CANDIDATES} by words and by vectors, not the whole scope; no neighbors, sessions or dates in the score; BM25 counts all users",
    "scope": "no neighbors, sessions or dates in the score; BM25 counts all users; keeps each vector twice",
}


class Database:
    """One file, open in WAL mode with `synchronous=FULL`: a commit that returned is on disk, as with Engram."""

    def __init__(self, path):
        import apsw
        import sqlite_vec

        self.connection = apsw.Connection(str(path))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        for pragma in ["journal_mode=WAL", "synchronous=FULL", "cache_size=-1000000", "mmap_size=4000000000", "temp_store=MEMORY"]:
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        if self.connection.execute("SELECT name FROM sqlite_schema LIMIT 1").fetchone() is None:
            for statement in filter(str.strip, SCHEMA.split(";")):
                self.connection.execute(statement)

    def add(self, numbers, dataset):
        """One transaction."""
        memories, vectors, connection = dataset.memories, dataset.vectors, self.connection
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO memories VALUES(?, ?, ?, ?, ?, ?)",
            [(n, m["user"], m["text"], m.get("session"), m.get("speaker"), m["created"]) for n in numbers for m in [memories[n]]])
        connection.executemany("INSERT INTO words(rowid, user, text) VALUES(?, ?, ?)", [(n, memories[n]["user"], memories[n]["text"]) for n in numbers])
        connection.executemany(
            "INSERT INTO vectors(id, user, embedding) VALUES(?, ?, ?)", [(n, memories[n]["user"], vectors[n].tobytes()) for n in numbers])
        connection.execute("COMMIT")

    def fill(self, dataset, count):
        for start in range(0, count, 1000):
            self.add(range(start, min(start + 1000, count)), dataset)
        self.settle()

    def add_embeddings(self, dataset, count):
        """What the fusion of a whole scope needs."""
        self.connection.execute("BEGIN")
        for statement in filter(str.strip, EMBEDDINGS.split(";")):
            self.connection.execute(statement)
        self.connection.executemany(
            "INSERT INTO embeddings VALUES(?, ?, ?)", [(n, dataset.memories[n]["user"], dataset.vectors[n].tobytes()) for n in range(count)])
        self.connection.execute("COMMIT")
        self.settle()

    def settle(self):
        # As after a longer life: one segment of each list, and nothing in the log.
        self.connection.execute("INSERT INTO words(words) VALUES('optimize')")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @staticmethod
    def version():
        import apsw

        return apsw.sqlite_lib_version()


class Engine:
    """A search of one kind: `words`, `best` or `scope`."""

    def __init__(self, database, dataset, kind):
        self.database, self.dataset, self.kind = database, dataset, kind
        self.statement, self.name = STATEMENTS[kind]
        self.note = NOTES[kind]

    def search(self, user, queries, limit):
        return rounds.timed([lambda number=number: self.one(user, number, limit) for number in queries])

    def one(self, user, number, limit):
        asked = " OR ".join(f'"{word}"' for word in words.of_question(self.dataset.queries[number]))
        # The user is a word, too: its list is intersected with the others, and it counts nothing.
        values = {"words": f'user: "{user}" AND text: ({asked})', "limit": limit}
        if self.kind != "words":
            values |= {"vector": self.dataset.query_vectors[number].tobytes(), "candidates": CANDIDATES, "user": user}
        return [text for text, _ in self.database.connection.execute(self.statement, values)]


class Adding:
    name = "SQLite FTS5 + sqlite-vec"
    note = "one process writes at a time; others wait or get SQLITE_BUSY"

    def __init__(self, database, dataset):
        self.database, self.dataset = database, dataset

    def add(self, first, count):
        return rounds.timed([lambda number=number: self.database.add([number], self.dataset) for number in range(first, first + count)])[:2]

    def add_batches(self, first, count, batch):
        ranges = [range(start, min(start + batch, first + count)) for start in range(first, first + count, batch)]
        return rounds.timed([lambda numbers=numbers: self.database.add(numbers, self.dataset) for numbers in ranges])[:2]
