import ArgumentParser
import Foundation

@main
struct Memtool: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memtool",
    abstract: "Work with an Engram memory store: a directory of contexts, memories and embeddings.",
    discussion: """
      Every command works on a live store, beside the processes that use it. Data goes to standard output, diagnostics and \
      progress to standard error.

      If MEMTOOL_STORE is set, the store may be left out: the first argument is a store only if the command does not need it for \
      something else, or if it names an existing store. If MEMTOOL_USER is set, --user may be left out where a user is needed, other than \
      by forget; it does not narrow commands that work on all users.

      The exit code is 0 for success, 1 for a failure, 3 for damage found in a store, and 64 for a command line that is wrong.

      EXAMPLES
        memtool create bot.memory --embedder hashing
        memtool import bot.memory conversations.jsonl
        memtool search bot.memory 'which tea does she drink?' --user maya
        memtool export bot.memory -o backup.jsonl
      """,
    version: VersionText.text,
    subcommands: [
      Create.self, Import.self, Export.self, Inspect.self, Stats.self, Users.self, Verify.self, Repair.self, Audit.self, Search.self,
      List.self, Add.self, Get.self, Edit.self, Delete.self, Watch.self, Context.self, Embed.self, Reembed.self, Compact.self, Backup.self,
      Forget.self, Eval.self, MCP.self,
    ])

  static func main() async {
    Terminal.restoreBrokenPipeSignal()
    Terminal.widenHelp()
    let command: any ParsableCommand
    do {
      let words = Array(CommandLine.arguments.dropFirst())
      // The completion scripts of shells pass a first word with three hyphens.
      let isCompletion = words.first?.hasPrefix("---") == true
      command = try parseAsRoot(isCompletion ? words : CommandWords(words, of: Memtool.self).parserWords())
    } catch let error as CommandWords.Misspelled {
      Failure.exit(with: error)
    } catch {
      Failure.exitAsParser(with: error)
    }
    do {
      try await Interruption.run(command, run)
    } catch {
      if let signal = Interruption.signal { Interruption.exit(with: signal) }
      Failure.exit(with: error)
    }
    if let signal = Interruption.signal { Foundation.exit(128 + signal) }
  }

  @Sendable private static func run(_ command: any ParsableCommand) async throws {
    if var command = command as? any AsyncParsableCommand {
      try await command.run()
    } else {
      var command = command
      try command.run()
    }
  }
}
