import TestSupport
import Testing

@Suite struct HelpTests {
  private let tool: Tool

  init() throws { tool = try Tool() }

  @Test func rootHelpIsThisText() throws {
    let help = try tool.run("--help").standardOutput
    #expect(
      help == """
        OVERVIEW: Work with an Engram memory store: a directory of contexts, memories
        and embeddings.

        Every command works on a live store, beside the processes that use it. Data
        goes to standard output, diagnostics and progress to standard error.

        If MEMTOOL_STORE is set, the store may be left out: the first argument is a
        store only if the command does not need it for something else, or if it names
        an existing store. If MEMTOOL_USER is set, --user may be left out where a user
        is needed, other than by forget; it does not narrow commands that work on all
        users.

        The exit code is 0 for success, 1 for a failure, 3 for damage found in a store,
        and 64 for a command line that is wrong.

        EXAMPLES
          memtool create bot.memory --embedder hashing
          memtool import bot.memory conversations.jsonl
          memtool search bot.memory 'which tea does she drink?' --user maya
          memtool export bot.memory -o backup.jsonl

        USAGE: memtool <subcommand>

        OPTIONS:
          --version               Show the version.
          -h, --help              Show help information.

        SUBCOMMANDS:
          create                  Make an empty store.
          import                  Read contexts and memories from JSON Lines, or
                                  conversations.
          export                  Write contexts and memories of one instant as JSON
                                  Lines, CSV or a NumPy array.
          inspect                 Show what a store, a user or a record consists of.
          stats                   Show how large a store is, how it grows, and what to
                                  do about it.
          users                   List the users of a store, with counts, sizes and the
                                  last change.
          verify                  Check a store for damage.
          repair                  Save what is sound in a damaged store into a new one.
          audit                   Show what retention should look at: sizes, expiry and
                                  duplicates.
          search                  Find the memories that a text or a vector is about.
          list                    List memories by time, a page at a time.
          add                     Add one memory and print its id.
          get                     Show one memory.
          edit                    Change a memory; the version before becomes history.
          delete                  Delete memories, by id or by conditions.
          watch                   Print the committed changes of a store as they come.
          context                 Show, store and list contexts: the immutable profiles
                                  of users.
          embed                   Embed the memories that have no embedding.
          reembed                 Move a store to another embedder: embed all memories
                                  anew.
          compact                 Rebuild a store's files without what was deleted.
          backup                  Copy a store as it is at one instant, while others
                                  use it.
          forget                  Erase a user from a store and from its files.
          eval                    Measure how well searches find what answers questions.
          mcp                     Serve a user's memories to an assistant, by the Model
                                  Context Protocol.

          See 'memtool help <subcommand>' for detailed help.

        """)
  }

  @Test(arguments: [
    ["create"], ["import"], ["export"], ["inspect"], ["verify"], ["repair"], ["audit"], ["search"], ["add"], ["get"], ["delete"],
    ["context", "get"], ["context", "set"], ["context", "list"], ["list"], ["users"], ["edit"], ["stats"], ["watch"], ["embed"],
    ["reembed"], ["compact"], ["backup"], ["forget"], ["eval"],
    ["mcp"],
  ])
  func everyCommandHasHelpWithExamples(_ command: [String]) throws {
    let help = try tool.run(command + ["--help"]).standardOutput
    #expect(help.hasPrefix("OVERVIEW: "))
    #expect(help.contains("EXAMPLES\n  memtool ") || help.contains("EXAMPLES\n  echo ") || help.contains("EXAMPLES\n  zcat "))
    #expect(help.contains("USAGE: memtool \(command.joined(separator: " ")) "))
  }

  @Test func commandWithoutArgumentsPrintsTheHelp() throws {
    #expect(try tool.run([]).standardOutput.hasPrefix("OVERVIEW: Work with an Engram memory store"))
  }
}
