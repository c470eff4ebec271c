import ArgumentParser

@main
struct Memtool: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memtool",
    abstract: "Work with an Engram memory store: a directory of contexts, memories and embeddings.",
    discussion: """
      Every command works on a live store, beside the processes that use it. Data goes to standard output, diagnostics and \
      progress to standard error.

      The exit code is 0 for success, 1 for a failure, 3 for damage found in a store, and 64 for a command line that is wrong.

      EXAMPLES
        memtool create bot.memory --embedder hashing
        memtool import bot.memory conversations.jsonl
        memtool search bot.memory 'which tea does she drink?' --user maya
        memtool export bot.memory -o backup.jsonl
      """,
    version: "0.1.0",
    subcommands: [
      Create.self, Import.self, Export.self, Inspect.self, Verify.self, Repair.self, Audit.self, Search.self, Add.self, Get.self,
      Delete.self, Context.self,
      Compact.self, Backup.self, Forget.self,
    ])

  static func main() async {
    Terminal.restoreBrokenPipeSignal()
    Terminal.widenHelp()
    let command: any ParsableCommand
    do {
      command = try parseAsRoot()
    } catch {
      Failure.exitAsParser(with: error)
    }
    do {
      try await run(command)
    } catch {
      Failure.exit(with: error)
    }
  }

  private static func run(_ command: any ParsableCommand) async throws {
    if var command = command as? any AsyncParsableCommand {
      try await command.run()
    } else {
      var command = command
      try command.run()
    }
  }
}
