import ArgumentParser
import Engram
import EngramMCP
import Formats
import Foundation

struct MCP: AsyncParsableCommand, TakesDefaultUser {
  static let configuration = CommandConfiguration(
    commandName: "mcp",
    abstract: "Serve a user's memories to an assistant, by the Model Context Protocol.",
    discussion: """
      An assistant's host starts this command, writes requests to its standard input, and reads answers from its standard output. \
      Standard error has what a person should know. The command ends with its input.

      The user is fixed by --user: a model is never asked for one. Any number of servers and other commands can work on one store at once.

      EXAMPLES
        memtool mcp bot.memory --user maya
        memtool mcp bot.memory --user maya --read-only
      """)

  @OptionGroup var store: StoreArgument

  @Option(help: UserHelp.required("Whose memories are served."))
  var user: String?

  @Flag(help: "Let each call of a tool name the user.")
  var userArgument = false

  @Flag(help: "Offer only the tools that change nothing.")
  var readOnly = false

  @Flag(help: "Offer the tool that erases everything of a user.")
  var allowForget = false

  func validate() throws {
    if (user != nil) == userArgument { throw ValidationError("Say whose memories: either --user <id> or --user-argument.") }
    if readOnly, allowForget { throw ValidationError("Give either --read-only or --allow-forget, not both.") }
  }

  func run() async throws {
    let output = try Terminal.takeOutput()
    let options = MCPServerOptions(
      user: user.map { .fixed($0) } ?? .argument, isReadOnly: readOnly, allowsForget: allowForget, storeName: store.url.path,
      version: EngramBuild.version)
    try await store.open(readOnly ? .readOnly : .readWrite, embeds: true, finishesUpkeep: false) { store in
      if !readOnly { Interruption.hasWritten("what was stored stays") }
      try await MCPServer(store: store, options: options).run(output: output)
    }
  }
}
