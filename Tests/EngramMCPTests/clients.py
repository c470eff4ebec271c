"""Drives `memtool mcp` with the client libraries of other people, and checks every line that it writes.

    python3 Tests/EngramMCPTests/clients.py MEMTOOL [DIRECTORY]

DIRECTORY, by default .build/mcp-clients, gets an environment for each library, which PyPI is asked for once. Then:

    mcp 2.3.0       the current revision: every tool, resource and prompt, a subscription, a question to the user
    fastmcp 4.2.3   the same, but for the subscription
    mcp 1.30.0      the earlier eras, which begin with `initialize`
    mcp-fuzzer      arguments of many kinds, for every tool
    mcp-types       reads every line that the server wrote to all of them; a call whose arguments break the tool's schema must have been refused

Exit code 0: all was as it must be; 1: something was not; 77: PyPI cannot be reached.
"""

import asyncio
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ENVIRONMENTS = {
    "mcp2": ["mcp==2.3.0", "mcp-types==2.3.0", "jsonschema"],
    "fastmcp": ["fastmcp==4.2.3"],
    "mcp1": ["mcp==1.30.0"],
    "fuzzer": ["mcp-fuzzer==0.7.0"],
}
TOOLS = ["memory_search", "memory_add", "memory_get", "memory_list", "memory_update", "memory_delete", "profile_get", "profile_update",
         "memory_overview", "memory_forget_user"]


def check(what, is_right, value=""):
    print(f"{'ok  ' if is_right else 'FAIL'} {what} {value}", flush=True)
    if not is_right:
        sys.exit(1)


# MARK: All of it


def main(memtool, directory):
    memtool = os.path.abspath(memtool)
    pythons = {name: environment(pathlib.Path(directory).absolute() / name, packages) for name, packages in ENVIRONMENTS.items()}
    with tempfile.TemporaryDirectory() as home:
        start_up(memtool, f"{home}/a store")
        logs = []
        for library in ["mcp2", "fastmcp", "mcp1"]:
            print(f"\n{library}: {', '.join(ENVIRONMENTS[library])}", flush=True)
            logs.append(f"{home}/{library}.jsonl")
            run([pythons[library], __file__, "session", library, memtool, f"{home}/{library} store", logs[-1]])
        print(f"\n{ENVIRONMENTS['fuzzer'][0]}", flush=True)
        logs.append(f"{home}/fuzzer.jsonl")
        fuzz(pythons["fuzzer"], memtool, home, logs[-1])
        print("\nmcp-types", flush=True)
        run([pythons["mcp2"], __file__, "validate", *logs])


def run(command):
    # The libraries of this interpreter are not those of the environment.
    if subprocess.run([str(word) for word in command]).returncode != 0:
        sys.exit(1)


def environment(folder, packages):
    """The interpreter of a virtual environment that has the packages."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = folder / "installed"
    if not wanted.exists() or wanted.read_text() != " ".join(packages):
        installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        if installed.returncode != 0:
            print(f"NOT RUN: pip could not install {' '.join(packages)}: is PyPI reachable from this machine?")
            sys.exit(77)
        wanted.write_text(" ".join(packages))
    return python


def start_up(memtool, store):
    """Measures the time from the start of the process to its first answer, and the size of the listing."""
    create(memtool, store)
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    times = []
    for _ in range(7):
        start = time.perf_counter()
        with subprocess.Popen([memtool, "mcp", store, "--user", "ada"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            server.stdin.write(line({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}))
            server.stdin.flush()
            server.stdout.readline()
            times.append(1000 * (time.perf_counter() - start))
            server.stdin.write(line({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}}))
            server.stdin.flush()
            size = len(server.stdout.readline())
            server.stdin.close()
            check("the server ends with its input", server.wait(10) == 0)
    print(f"start to first answer: {statistics.median(times):.0f} ms, the median of {len(times)}")
    check("tools/list has less than 10,000 bytes", size < 10_000, size)


def line(message):
    return (json.dumps(message) + "\n").encode()


def create(memtool, store):
    subprocess.run([memtool, "create", store, "--embedder", "hashing"], check=True, stdout=subprocess.DEVNULL)


def fuzz(python, memtool, home, log):
    create(memtool, f"{home}/fuzzed")
    server = [sys.executable, os.path.abspath(__file__), "relay", log, memtool, "mcp", f"{home}/fuzzed", "--user", "ada", "--allow-forget"]
    command = [python, "-m", "mcp_fuzzer", "--mode", "tools", "--phase", "both", "--runs", "10", "--seed", "42", "--protocol", "stdio", "--endpoint",
               shlex.join(server), "--fs-root", f"{home}/root", "--output-dir", f"{home}/reports", "--no-network", "--fail-if-no-tools"]
    finished = subprocess.run([str(word) for word in command], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    reports = sorted(pathlib.Path(home, "reports").rglob("findings.json"))
    if not reports:
        print(finished.stdout[-4000:])
    check("the fuzzer reports", bool(reports), f"exit code {finished.returncode}")
    findings = json.loads(reports[-1].read_text())
    findings = findings.get("findings", findings) if isinstance(findings, dict) else findings
    # To it, every call that is not refused was malformed: `validate` finds those that were. And a sentence that refuses a text quotes it.
    others = [finding for finding in findings if finding["category"] not in ("accepted_malformed", "injection_reflection")]
    for finding in others:
        print(json.dumps(finding)[:600])
    check("the fuzzer finds nothing else than calls that were not refused, and quoted texts", not others, f"{len(findings)} of these")


# MARK: A relay, which writes down all lines


def unreadable_id(text):
    """The id of a request that is no JSON, because it has a number such as NaN, which Python writes all the same; None for all other lines."""
    numbers = []
    try:
        message = json.loads(text, parse_constant=numbers.append)
    except ValueError:
        return None
    return message.get("id") if numbers and isinstance(message, dict) else None


def relay(log, command):
    lock = threading.Lock()
    # The server cannot read their ids, and answers null, in the order of the lines. A client would wait for such an answer until its time is over.
    unreadable = []
    with open(log, "ab") as file, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        def note(sender, text):
            with lock:
                file.write(line({"from": sender, "line": text.decode("utf-8", "surrogateescape")}))
                file.flush()

        def forward():
            try:
                for text in sys.stdin.buffer:
                    note("client", text)
                    if (identity := unreadable_id(text)) is not None:
                        unreadable.append(identity)
                    server.stdin.write(text)
                    server.stdin.flush()
                server.stdin.close()
            except (BrokenPipeError, ValueError):
                pass

        note("start", b"")
        threading.Thread(target=forward, daemon=True).start()
        for text in server.stdout:
            note("server", text)
            if unreadable and b'"id":null,"error":{"code":-32700' in text:
                text = line({**json.loads(text), "id": unreadable.pop(0)})
            try:
                sys.stdout.buffer.write(text)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                break
        code = server.wait()
    # The other thread may wait for input.
    os._exit(code)


# MARK: Sessions


def structured(result):
    """The structured content of a tool's result, whatever the library calls it."""
    for name in ("structured_content", "structuredContent"):
        value = getattr(result, name, None)
        if isinstance(value, dict):
            return value
    return json.loads(result.content[0].text)


def is_error(result):
    return any(getattr(result, name, False) for name in ("is_error", "isError"))


async def drive(session, call):
    """The same steps for every library: only the names of methods differ."""
    tools = await session.list_tools()
    tools = [tool.name for tool in getattr(tools, "tools", tools)]
    check("tools", tools == TOOLS, tools)

    added = structured(await call("memory_add", {"memories": [
        {"text": "Ada drinks green tea", "kind": "preference", "tags": ["food"], "session": "s1"},
        {"text": "Ada lives in Turin", "kind": "fact", "expires_in": "4w", "trust": "high", "source": "chat", "importance": 0.9}]}))
    ids = [memory["id"] for memory in added["memories"]]
    check("memory_add", len(ids) == 2 and all(memory["created"] for memory in added["memories"]), ids)
    found = structured(await call("memory_search", {"query": "which tea does she drink?", "explain": True, "tags": ["food"]}))
    check("memory_search", found["memories"][0]["id"] == ids[0], found["memories"][0])
    read = structured(await call("memory_get", {"ids": [ids[1]], "neighbours": 1, "history": True}))
    check("memory_get", read["memories"][0]["trust"] == "high", read["memories"][0])
    first = structured(await call("memory_list", {"limit": 1}))
    second = structured(await call("memory_list", {"limit": 1, "cursor": first["next_cursor"]}))
    check("memory_list", first["total"] == 2 and len(second["memories"]) == 1 and first["memories"] != second["memories"], first["next_cursor"])
    updated = structured(await call("memory_update", {"id": ids[0], "text": "Ada drinks black tea"}))
    check("memory_update", updated["version"] == 2)
    profile = structured(await call("profile_update", {"set": {"preferences.tone": "dry"}, "increment": {"friendshipLevel": 1}}))
    check("profile_update", profile["value"]["preferences"] == {"tone": "dry"}, profile)
    check("profile_get", structured(await call("profile_get", {}))["version"] == 1)
    overview = structured(await call("memory_overview", {}))
    check("memory_overview", overview["memories"] == 2 and overview["user"] == "ada", overview)
    refused = await call("memory_search", {"q": "tea"})
    check("a misspelled argument", is_error(refused) and "Use `query`, not `q`" in refused.content[0].text, refused.content[0].text)

    resources = await session.list_resources()
    resources = [str(resource.uri) for resource in getattr(resources, "resources", resources)]
    check("resources", len(resources) == 3, resources)
    templates = await session.list_resource_templates()
    for names in ("resource_templates", "resourceTemplates"):
        templates = getattr(templates, names, templates)
    check("resource templates", len(templates) == 2)
    for uri in [*resources, f"engram://memory/{ids[0]}", "engram://session/s1"]:
        read = await session.read_resource(uri)
        contents = getattr(read, "contents", read)
        check(uri, isinstance(json.loads(contents[0].text), dict), contents[0].text[:60])
    prompts = await session.list_prompts()
    prompts = getattr(prompts, "prompts", prompts)
    check("prompts", [prompt.name for prompt in prompts] == ["recall", "remember", "review"])
    for name, arguments in [("recall", {"topic": "tea"}), ("remember", {"text": "I moved"}), ("review", {})]:
        prompt = await session.get_prompt(name, arguments)
        check(f"prompt {name}", len(prompt.messages) == 1, prompt.messages[0].content.text.splitlines()[0])

    many = await asyncio.gather(*[call("memory_search", {"query": f"tea {number}"}) for number in range(100)])
    check("100 searches at once", all(structured(result)["total_in_scope"] == 2 for result in many))
    deleted = structured(await call("memory_delete", {"ids": [ids[0]], "reason": "test"}))
    check("memory_delete", deleted["deleted"] == [ids[0]])


async def forget(call, asked):
    receipt = structured(await call("memory_forget_user", {"confirm": "ada"}))
    check("memory_forget_user", receipt["memories"] >= 1 and receipt["complete"], f"asked {len(asked)} times")


async def session(library, memtool, store, log):
    create(memtool, store)
    command = [os.path.abspath(__file__), "relay", log, memtool, "mcp", store, "--user", "ada", "--allow-forget"]
    asked = []
    if library == "fastmcp":
        import fastmcp
        from fastmcp.client.transports import StdioTransport

        async def answer(message, kind, parameters, context):
            asked.append(message)
            return {"erase": True}

        async with fastmcp.Client(StdioTransport(command=sys.executable, args=command), elicitation_handler=answer) as client:
            async def call(name, arguments):
                return await client.call_tool(name, arguments, raise_on_error=False)
            await drive(client, call)
            await forget(call, asked)
            check("the user was asked", len(asked) == 1, asked)
    elif library == "mcp2":
        import mcp
        from mcp.client.stdio import StdioServerParameters, stdio_client
        from mcp_types import ElicitResult

        async def answer(context, parameters):
            asked.append(parameters.message)
            return ElicitResult(action="accept", content={"erase": True})

        server = stdio_client(StdioServerParameters(command=sys.executable, args=command))
        async with mcp.Client(server, elicitation_callback=answer) as client:
            check("the current revision", client.protocol_version == "2026-07-28", client.protocol_version)
            await drive(client, client.call_tool)
            async with client.listen(resource_subscriptions=["engram://recent"]) as changes:
                await client.call_tool("memory_add", {"memories": [{"text": "Ada has a cat"}]})
                check("a change is reported", (await anext(aiter(changes))).uri == "engram://recent")
            await forget(client.call_tool, asked)
            check("the user was asked", len(asked) == 1, asked)
    else:
        from mcp import ClientSession
        from mcp.client.stdio import StdioServerParameters, stdio_client
        changed = asyncio.Event()

        async def receive(message):
            if "ResourceUpdatedNotification" in repr(message):
                changed.set()

        async with stdio_client(StdioServerParameters(command=sys.executable, args=command)) as (read, write):
            async with ClientSession(read, write, message_handler=receive) as client:
                check("initialize", (await client.initialize()).protocolVersion == "2025-11-25")
                await client.send_ping()
                await drive(client, client.call_tool)
                await client.subscribe_resource("engram://recent")
                await client.call_tool("memory_add", {"memories": [{"text": "Ada has a cat"}]})
                await asyncio.wait_for(changed.wait(), 10)
                print("ok   a change is reported")
                await client.unsubscribe_resource("engram://recent")
                await forget(client.call_tool, asked)


# MARK: Every line


def require(what, is_right, value=""):
    """As `check`, for what is looked at often: prints only what is wrong."""
    if not is_right:
        check(what, False, value)


class Reading:
    """The lines of one server, read one after the other."""

    def __init__(self):
        self.open_requests, self.schemas, self.outputs = {}, {}, {}
        self.negotiated = None
        self.lines = self.refused = 0

    def read_client(self, text):
        try:
            message = json.loads(text)
        except ValueError:
            return
        if isinstance(message, dict) and "method" in message and isinstance(message.get("id"), (str, int)):
            self.open_requests[json.dumps(message["id"])] = message

    def read_server(self, text):
        from mcp_types import jsonrpc, methods
        self.lines += 1
        message = json.loads(text)
        kind = jsonrpc.jsonrpc_message_adapter.validate_python(message)
        require("the server sends no requests", not isinstance(kind, jsonrpc.JSONRPCRequest), text)
        if isinstance(kind, jsonrpc.JSONRPCNotification):
            methods.parse_server_notification(message["method"], self.negotiated or "2026-07-28", message.get("params"))
            return
        if message["id"] is None:
            require("only errors have no id", "error" in message, text)
            return
        request = self.open_requests.pop(json.dumps(message["id"]), None)
        require("an answer belongs to one request", request is not None, text)
        self.read_answer(request, message)

    def read_answer(self, request, message):
        from mcp_types import methods
        parameters = request.get("params") if isinstance(request.get("params"), dict) else {}
        if request["method"] == "tools/call" and ("error" in message or message["result"].get("isError")):
            self.refused += 1
        if "error" in message:
            return
        result = message["result"]
        if request["method"] == "initialize":
            self.negotiated = result["protocolVersion"]
        meta = parameters.get("_meta") if isinstance(parameters.get("_meta"), dict) else {}
        version = meta.get("io.modelcontextprotocol/protocolVersion", self.negotiated)
        methods.parse_server_result(request["method"], version, result)
        if request["method"] == "tools/list":
            self.read_tools(result["tools"])
        if request["method"] == "tools/call" and not result.get("isError") and result.get("resultType") != "input_required":
            self.read_call(parameters["name"], parameters.get("arguments", {}), result)

    def read_tools(self, tools):
        from jsonschema import Draft202012Validator
        for tool in tools:
            for schema, known in [("inputSchema", self.schemas), ("outputSchema", self.outputs)]:
                Draft202012Validator.check_schema(tool[schema])
                known[tool["name"]] = Draft202012Validator(tool[schema])

    def read_call(self, tool, arguments, result):
        # Some clients call before they list.
        faults = [fault.message[:200] for fault in self.schemas[tool].iter_errors(arguments)] if tool in self.schemas else []
        require("no malformed argument is accepted", not faults, f"{tool} {json.dumps(arguments)[:400]}: {faults}")
        if tool in self.outputs:
            self.outputs[tool].validate(result["structuredContent"])
        require("the text is the structured content", json.loads(result["content"][0]["text"]) == result["structuredContent"], result)


def validate(logs):
    for log in logs:
        reading = Reading()
        for entry in map(json.loads, open(log)):
            match entry["from"]:
                case "start": reading.open_requests, reading.negotiated = {}, None
                case "client": reading.read_client(entry["line"])
                case "server": reading.read_server(entry["line"])
        check(f"{pathlib.Path(log).stem}: every line is valid", reading.lines > 0, f"{reading.lines} lines, {reading.refused} calls refused")


match sys.argv[1:]:
    case ["relay", log, *command]: relay(log, command)
    case ["session", library, memtool, store, log]: asyncio.run(session(library, memtool, store, log))
    case ["validate", *logs]: validate(logs)
    case [memtool]: main(memtool, ".build/mcp-clients")
    case [memtool, directory]: main(memtool, directory)
    case _: sys.exit(__doc__)
