"""Drives `memtool mcp` with a client library of another language, and prints what each step returned.

    python3 clients.py MEMTOOL mcp2|fastmcp|mcp1

`mcp2` and `mcp1` need the package mcp (2.x or 1.x), `fastmcp` the package fastmcp. Exit code 1: something was not as it must be.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time

MEMTOOL, LIBRARY = sys.argv[1:3]


def check(what, is_right, value=""):
    print(f"{'ok  ' if is_right else 'FAIL'} {what} {value}")
    if not is_right:
        sys.exit(1)


def structured(result):
    """The structured content of a tool's result, whatever the library calls it."""
    for name in ("structured_content", "structuredContent", "data"):
        value = getattr(result, name, None)
        if isinstance(value, dict):
            return value
    return json.loads(result.content[0].text)


async def drive(session):
    """The same steps for every library: only the names of methods differ."""
    tools = await session.list_tools()
    tools = getattr(tools, "tools", tools)
    check("tools", len(tools) == 10, [tool.name for tool in tools])

    added = structured(await session.call_tool("memory_add", {"memories": [
        {"text": "Ada drinks green tea", "kind": "preference", "tags": ["food"]},
        {"text": "Ada lives in Turin", "kind": "fact", "expires_in": "4w", "trust": "high", "source": "chat"}]}))
    ids = [memory["id"] for memory in added["memories"]]
    check("memory_add", len(ids) == 2 and all(memory["created"] for memory in added["memories"]), ids)
    found = structured(await session.call_tool("memory_search", {"query": "which tea does she drink?", "explain": True}))
    check("memory_search", found["memories"][0]["id"] == ids[0], found["memories"][0])
    read = structured(await session.call_tool("memory_get", {"ids": [ids[1]], "neighbours": 1, "history": True}))
    check("memory_get", read["memories"][0]["trust"] == "high", read["memories"][0])
    listed = structured(await session.call_tool("memory_list", {"limit": 1}))
    check("memory_list", len(listed["memories"]) == 1 and "next_cursor" in listed, listed["total"])
    updated = structured(await session.call_tool("memory_update", {"id": ids[0], "text": "Ada drinks black tea"}))
    check("memory_update", updated["version"] == 2)
    profile = structured(await session.call_tool("profile_update", {"set": {"preferences.tone": "dry"}, "increment": {"friendshipLevel": 1}}))
    check("profile_update", profile["value"]["preferences"] == {"tone": "dry"}, profile)
    check("profile_get", structured(await session.call_tool("profile_get", {}))["version"] == 1)
    overview = structured(await session.call_tool("memory_overview", {}))
    check("memory_overview", overview["memories"] == 2 and overview["user"] == "ada", overview)

    resources = await session.list_resources()
    resources = getattr(resources, "resources", resources)
    check("resources", len(resources) == 3, [str(resource.uri) for resource in resources])
    for uri in ["engram://profile", "engram://recent", "engram://about", f"engram://memory/{ids[0]}"]:
        read = await session.read_resource(uri)
        contents = getattr(read, "contents", read)
        check(uri, isinstance(json.loads(contents[0].text), dict), contents[0].text[:60])
    prompts = await session.list_prompts()
    prompts = getattr(prompts, "prompts", prompts)
    check("prompts", [prompt.name for prompt in prompts] == ["recall", "remember", "review"])
    for name, arguments in [("recall", {"topic": "tea"}), ("remember", {}), ("review", {})]:
        prompt = await session.get_prompt(name, arguments)
        check(f"prompt {name}", len(prompt.messages) == 1, prompt.messages[0].content.text.splitlines()[0])

    many = await asyncio.gather(*[session.call_tool("memory_search", {"query": f"tea {number}"}) for number in range(100)])
    check("100 searches at once", len(many) == 100)
    deleted = structured(await session.call_tool("memory_delete", {"ids": [ids[0]], "reason": "test"}))
    check("memory_delete", deleted["deleted"] == [ids[0]])


async def main():
    with tempfile.TemporaryDirectory() as directory:
        store = f"{directory}/a store"
        subprocess.run([MEMTOOL, "create", store, "--embedder", "hashing"], check=True, stdout=subprocess.DEVNULL)
        arguments = ["mcp", store, "--user", "ada", "--allow-forget"]
        start = time.perf_counter()
        if LIBRARY == "fastmcp":
            import fastmcp
            from fastmcp.client.transports import StdioTransport
            async with fastmcp.Client(StdioTransport(command=MEMTOOL, args=arguments)) as session:
                print(f"connected after {1000 * (time.perf_counter() - start):.0f} ms")
                await drive(session)
        elif LIBRARY == "mcp2":
            import mcp
            from mcp.client.stdio import StdioServerParameters, stdio_client
            async with mcp.Client(stdio_client(StdioServerParameters(command=MEMTOOL, args=arguments))) as session:
                print(f"connected after {1000 * (time.perf_counter() - start):.0f} ms")
                await drive(session)
        else:
            from mcp import ClientSession
            from mcp.client.stdio import StdioServerParameters, stdio_client
            async with stdio_client(StdioServerParameters(command=MEMTOOL, args=arguments)) as (read, write):
                async with ClientSession(read, write) as session:
                    result = await session.initialize()
                    print(f"connected after {1000 * (time.perf_counter() - start):.0f} ms, {result.protocolVersion}")
                    await drive(session)


asyncio.run(main())
