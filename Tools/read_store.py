#!/usr/bin/env python3
"""Reads an Engram store without Engram, as an example of its formats (FileFormat.md has the byte tables).

    pip install lmdb cbor2 numpy xxhash
    ./read_store.py bot.memory                       # JSON Lines: the store, its users, contexts, history and memories
    ./read_store.py bot.memory --vectors array       # embeddings as lists instead of base64 of little-endian float32

The store should not be written to meanwhile: the script takes no part in the store's locks. It changes nothing.
Every value and every row is checked against its checksum; a damaged one ends the script with a message and status 1.
"""

import argparse
import base64
import json
import os
import struct
import sys
import uuid

try:
    import cbor2
    import lmdb
    import numpy
    import xxhash
except ImportError as error:
    sys.exit(f"read_store.py needs the Python package '{error.name}': run `pip install lmdb cbor2 numpy xxhash`")

DATABASES = [
    "meta", "users", "contexts", "history", "memories", "timeline",
    "blocks", "columns", "expiry", "dedupe", "tokens", "log", "sessions", "words",
]
# Databases that a store of an earlier version lacks; `tables` of the state record says which ones are complete.
OPTIONAL = {"sessions": 1, "words": 2}
NEVER = (1 << 63) - 1
ALWAYS = -(1 << 63)
TRUST = [None, "low", "medium", "high"]


class Damage(Exception):
    """What the store holds contradicts itself."""


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed=seed)


def entries(transaction, environment, name):
    """Yields the keys and values of a database in key order, each value checked and without its checksum.

    The last eight bytes of a stored value are, big-endian, XXH3-64 of what is before them, seeded by XXH3-64 of the key,
    which is seeded by XXH3-64 of the database's name: a value that was moved is noticed, too.
    """
    database = environment.open_db(name.encode(), txn=transaction, create=False)
    name_seed = xxh3(name.encode())
    for key, stored in transaction.cursor(database):
        value, checksum = stored[:-8], stored[-8:]
        if xxh3(value, xxh3(key, name_seed)) != int.from_bytes(checksum, "big"):
            raise Damage(f"the value of key {key.hex()} in {name} does not match its checksum")
        yield key, value


def read_header(data):
    """The header of rows.f32: 4096 bytes, little-endian, of which the first 72 say something."""
    if len(data) < 4096 or data[:8] != b"ENGRAMRW":
        raise Damage("rows.f32 has no header")
    version, endian = struct.unpack_from("<II", data, 8)
    if endian != 0x01020304 or version != 1:
        raise Damage(f"rows.f32 has format version {version} and endian tag {endian:#x}")
    if struct.unpack_from("<Q", data, 64)[0] != xxh3(data[:64]):
        raise Damage("the header of rows.f32 does not match its checksum")
    generation, dimension, stride, metric = struct.unpack_from("<QIII", data, 32)
    return {
        "uuid": data[16:32], "generation": generation, "dimension": dimension, "stride": stride,
        "metric": {1: "cosine", 2: "dot"}[metric],
    }


def read_rows(path, store, row_count):
    """The embeddings as an array of row_count × dimension; rows lie `stride` bytes apart."""
    with open(path, "rb") as file:
        header = read_header(file.read(4096))
    for field in ["uuid", "generation", "dimension", "metric"]:
        if header[field] != store[field]:
            raise Damage(f"rows.f32 belongs to another store: its {field} is {header[field]!r}, expected {store[field]!r}")
    if row_count == 0:
        return header, numpy.empty((0, header["dimension"]), "<f4")
    padded = numpy.memmap(path, "<f4", "r", offset=4096, shape=(row_count, header["stride"] // 4))
    return header, padded[:, : header["dimension"]]


def read_block(value):
    """A record of `blocks`: up to 128 consecutive rows of a user. The key is userKey ‖ number."""
    first, capacity, used, flags = struct.unpack_from(">QBBB", value)
    live = int.from_bytes(value[11:27], "big")
    return {"first": first, "capacity": capacity, "used": used, "has_expiry": bool(flags & 1), "has_superseded": bool(flags & 2), "live": live}


def read_columns(value):
    """A record of `columns`: what filters need of a block's slots, each field packed on its own. Version 2 has more of them."""
    version, count, kind_count, session_count = struct.unpack_from("BBBB", value)
    if version not in (1, 2):
        raise Damage(f"a record of columns has version {version}")
    start, tag_count = 4, 0
    if version == 2:
        start, (tag_count,) = 8, struct.unpack_from(">I", value, 4)
    ids = [value[start + 16 * slot : start + 16 + 16 * slot] for slot in range(count)]
    created = struct.unpack_from(f">{count}q", value, start + 16 * count)
    expires = struct.unpack_from(f">{count}q", value, start + 24 * count)
    kinds = value[start + 32 * count : start + 33 * count]
    sessions = value[start + 33 * count : start + 34 * count]
    offset = start + 34 * count
    valid_from, valid_until, trust, masks = [ALWAYS] * count, [NEVER] * count, bytes(count), [0]
    if version == 2:
        valid_from = struct.unpack_from(f">{count}q", value, offset)
        valid_until = struct.unpack_from(f">{count}q", value, offset + 8 * count)
        trust = value[offset + 16 * count : offset + 17 * count]
        offset += 17 * count
        masks = [int.from_bytes(value[offset + 16 * n : offset + 16 * n + 16], "big") for n in range(1 + tag_count)]
        offset += 16 * (1 + tag_count)
    strings = [None]
    for _ in range(kind_count + session_count + tag_count):
        (length,) = struct.unpack_from(">H", value, offset)
        strings.append(value[offset + 2 : offset + 2 + length].decode())
        offset += 2 + length
    names, session_names = strings[: 1 + kind_count], [None] + strings[1 + kind_count : 1 + kind_count + session_count]
    tags = strings[1 + kind_count + session_count :]
    return [
        {
            "id": ids[slot], "createdAt": created[slot], "expiresAt": None if expires[slot] == NEVER else expires[slot],
            "kind": names[kinds[slot]], "sessionID": session_names[sessions[slot]], "superseded": bool(masks[0] >> slot & 1),
            "validFrom": None if valid_from[slot] == ALWAYS else valid_from[slot],
            "validUntil": None if valid_until[slot] == NEVER else valid_until[slot], "trust": trust[slot],
            "tags": sorted((tag for tag, mask in zip(tags, masks[1:]) if mask >> slot & 1), key=str.encode),
        }
        for slot in range(count)
    ]


def read_words(value):
    """A record of `words`: for each memory its id, time, row (None: no embedding) and the number of its terms."""
    version, count, sessions = struct.unpack_from("BBB", value)
    (terms,) = struct.unpack_from(">I", value, 4)
    if version != 1 or len(value) != 8 + 48 * count + 16 * sessions + 5 * terms:
        raise Damage("a record of words has another shape")
    created = struct.unpack_from(f">{count}q", value, 8 + 16 * count)
    rows = struct.unpack_from(f">{count}Q", value, 8 + 32 * count)
    return {
        value[8 + 16 * slot : 24 + 16 * slot]: (created[slot], None if rows[slot] == 0 else rows[slot] - 1) for slot in range(count)
    }


def ordered(number):
    """The eight bytes that a signed time has in a key: big-endian with the sign bit turned, so that they sort."""
    return struct.pack(">Q", (number + (1 << 63)) & ((1 << 64) - 1))


def details(memory):
    """The fields that few memories have, as an export writes them; times in milliseconds."""
    found = {name: memory[name] for name in ["tags", "caption", "validFrom", "validUntil", "source"] if name in memory}
    if "trust" in memory:
        found["trust"] = TRUST[memory["trust"]]
    if "derivedFrom" in memory:
        found["derivedFrom"] = [str(uuid.UUID(bytes=identity)) for identity in memory["derivedFrom"]]
    found.update({name: str(uuid.UUID(bytes=memory[name])) for name in ["replaces", "supersededBy"] if name in memory})
    return found


def memory_version(databases, user_keys, key, memory):
    """An earlier version of a memory, after checking that the present one is later and of the same user."""
    identity, version = key[17:33], struct.unpack(">Q", key[33:])[0]
    name = str(uuid.UUID(bytes=identity))
    if identity not in databases["memories"]:
        raise Damage(f"version {version} of memory {name} has no present one")
    present = cbor2.loads(databases["memories"][identity])
    if key[:16] != user_keys[memory["userID"]] or memory["userID"] != present["userID"]:
        raise Damage(f"version {version} of memory {name} is another user's")
    if memory.get("version", 1) != version or version >= present.get("version", 1) or "row" in memory:
        raise Damage(f"version {version} of memory {name} is under another number, is not earlier than the present one, or names a row")
    return {
        "type": "memoryVersion", "id": name, "userID": memory["userID"], "version": version,
        "updatedAt": memory.get("updatedAt", memory["createdAt"]), "text": memory["text"], "kind": memory.get("kind"),
        "sessionID": memory.get("sessionID"), "speaker": memory.get("speaker"), "createdAt": memory["createdAt"],
        "importance": memory["importance"], "expiresAt": memory.get("expiresAt"), "dedupeKey": memory.get("dedupeKey"),
        "metadata": memory.get("metadata", {}), **details(memory),
    }


def vector(row, form):
    if form == "none":
        return None
    return base64.b64encode(row.astype("<f4").tobytes()).decode() if form == "base64" else [float(x) for x in row]


def jsonable(value):
    """Byte strings have no place in JSON: base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def read_store(directory, form):
    """Yields what the store holds as dictionaries, after checking that its databases agree with each other."""
    with open(os.path.join(directory, "current"), encoding="ascii") as file:
        generation = os.path.join(directory, file.read().strip())
    environment = lmdb.open(generation, readonly=True, max_dbs=len(DATABASES), lock=False)
    with environment.begin() as transaction:
        present = {name.decode() for name, _ in transaction.cursor()}
        names = [name for name in DATABASES if name in present or name not in OPTIONAL]
        databases = {name: dict(entries(transaction, environment, name)) for name in names}
    store = cbor2.loads(databases["meta"][b"store"])
    state = cbor2.loads(databases["meta"][b"state"])
    yield {
        "type": "store", "format": store["format"], "uuid": str(uuid.UUID(bytes=store["uuid"])), "dimension": store.get("dimension"),
        "metric": store["metric"], "embedder": store.get("embedder"), "memories": state["memories"], "contexts": state["contexts"],
        "users": state["users"], "rows": state["rowsHigh"], "rowsLive": state["rowsLive"], "batchSequence": state["batchSequence"],
        "entries": {name: len(content) for name, content in databases.items()},
    }

    # A user's key is XXH3-128 of the userID's UTF-8 under the store's own secret; here they are looked up.
    user_keys = {}
    for key, value in databases["users"].items():
        user = cbor2.loads(value)
        user_keys[user["userID"]] = key
        yield {
            "type": "user", "userID": user["userID"], "memories": user["memories"], "contexts": user["contexts"], "embeddings": user["rows"],
        }

    for name in ["contexts", "history"]:
        for key, value in databases[name].items():
            envelope = cbor2.loads(value)
            if name == "history" and key[16] == 1:
                yield memory_version(databases, user_keys, key, envelope)
                continue
            if key[:16] != user_keys[envelope["userID"]]:
                raise Damage(f"a record of {name} is under another user's key")
            yield {
                "type": {"contexts": "context", "history": "history"}[name],
                "recordType": key[16:].decode() if name == "contexts" else key[16:-9].decode(), "userID": envelope["userID"],
                "version": envelope["version"], "schema": envelope["schema"], "updatedAt": envelope["updated"],
                "value": jsonable(envelope["contents"]),
            }

    rows = None
    if "dimension" in store:
        _, rows = read_rows(os.path.join(generation, "rows.f32"), store, state["rowsHigh"])
    blocks = {key: read_block(value) for key, value in databases["blocks"].items()}
    columns = {key: read_columns(value) for key, value in databases["columns"].items()}
    live = {}
    for key, block in blocks.items():
        for slot in range(block["used"]):
            if block["live"] >> slot & 1:
                live[block["first"] + slot] = (key, slot)
    if len(live) != state["rowsLive"] or len(databases["memories"]) != state["memories"]:
        raise Damage("the counts of the state record are wrong")

    # A session's key is the hash of its name under the store's secret, as a user's is: all its memories have the same one.
    sessions = None
    if state.get("tables", 0) & OPTIONAL["sessions"]:
        sessions = {key[:16] + key[32:]: key[16:32] for key in databases["sessions"]}
    words = None
    if state.get("tables", 0) & OPTIONAL["words"]:
        words = {key[:16] + identity: entry for key, value in databases["words"].items() for identity, entry in read_words(value).items()}
        if len(words) != state["memories"]:
            raise Damage("the words name memories that are not there")
    session_keys, with_row, with_session = {}, 0, 0
    for key, value in databases["memories"].items():
        memory = cbor2.loads(value)
        owner, name = user_keys[memory["userID"]], str(uuid.UUID(bytes=key))
        if owner + ordered(memory["createdAt"]) + key not in databases["timeline"]:
            raise Damage(f"memory {name} is missing in the timeline")
        if "expiresAt" in memory and databases["expiry"].get(ordered(memory["expiresAt"]) + key) != owner:
            raise Damage(f"memory {name} is missing in expiry")
        if words is not None and words.get(owner + key) != (memory["createdAt"], memory.get("row")):
            raise Damage(f"memory {name} is missing in the words, or under another time or row")
        if sessions is not None and "sessionID" in memory:
            with_session += 1
            session = sessions.get(owner + ordered(memory["createdAt"]) + key)
            if session is None or session_keys.setdefault(memory["sessionID"], session) != session:
                raise Damage(f"memory {name} is missing in its session")
        embedding = None
        if "row" in memory:
            with_row += 1
            row = rows[memory["row"]]
            if xxh3(row.astype("<f4").tobytes()) != memory["rowChecksum"]:
                raise Damage(f"row {memory['row']} of memory {name} does not match its checksum")
            block_key, slot = live[memory["row"]]
            column = columns[block_key][slot]
            if block_key != owner + struct.pack(">I", memory["block"]) or column != {
                "id": key, "createdAt": memory["createdAt"], "expiresAt": memory.get("expiresAt"), "kind": memory.get("kind"),
                "sessionID": memory.get("sessionID"), "superseded": "supersededBy" in memory, "validFrom": memory.get("validFrom"),
                "validUntil": memory.get("validUntil"), "trust": memory.get("trust", 0), "tags": memory.get("tags", []),
            }:
                raise Damage(f"memory {name} and the columns of its row disagree")
            embedding = vector(row, form)
        yield {
            "type": "memory", "id": name, "userID": memory["userID"], "text": memory["text"], "kind": memory.get("kind"),
            "sessionID": memory.get("sessionID"), "speaker": memory.get("speaker"), "createdAt": memory["createdAt"],
            "importance": memory["importance"], "expiresAt": memory.get("expiresAt"), "dedupeKey": memory.get("dedupeKey"),
            "metadata": memory.get("metadata", {}), "embedding": embedding, **details(memory),
            **({"version": memory["version"], "updatedAt": memory["updatedAt"]} if "version" in memory else {}),
        }
    if with_row != len(live) or len(databases["timeline"]) != state["memories"]:
        raise Damage("rows or the timeline name memories that are not there")
    if sessions is not None and (with_session != len(sessions) or len(set(session_keys.values())) != len(session_keys)):
        raise Damage("the sessions name memories that are not there")


def main():
    parser = argparse.ArgumentParser(description="Prints what an Engram store holds as JSON Lines, without Engram.")
    parser.add_argument("store", help="the store's directory")
    parser.add_argument(
        "--vectors", choices=["base64", "array", "none"], default="base64", help="how embeddings are written (default: base64)")
    arguments = parser.parse_args()
    try:
        for line in read_store(arguments.store, arguments.vectors):
            print(json.dumps(line, ensure_ascii=False))
    except (Damage, OSError, lmdb.Error) as error:
        sys.exit(f"{arguments.store}: {error}")


if __name__ == "__main__":
    main()
