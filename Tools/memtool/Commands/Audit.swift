import ArgumentParser
import Engram

struct Audit: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what retention should look at: sizes, expiry and duplicates.",
    discussion: """
      Reads one snapshot, beside the processes that use the store, and changes nothing: users by size; what has expired and what \
      soon will; memories of a user with the same text, the same embedding or nearly the same one; empty texts, memories without an \
      embedding, components that are zero in every embedding, and embeddings that many memories share. Expired memories are counted \
      and not looked at. The exit code is 0 whatever is found.

      Near duplicates are pairs of a user's memories whose embeddings have at least the cosine of --threshold. Of a user with up to \
      2000 embeddings all pairs are compared; of a larger one, each embedding with the --window stored after it. The report says \
      how many pairs that leaves out, and of whom.

      Every list ends at --limit, counts never do. With --json the object has the keys asOf, batchSequence, userID, dimension, \
      metric, memories, contexts, embeddings, textBytes, users, times, sameText, sameEmbedding, nearDuplicates, unmatched, kinds, \
      metadataKeys and sessions; what needs embeddings is null in a store without them.

      EXAMPLES
        memtool audit bot.memory
        memtool audit bot.memory --user maya --threshold 0.9 --limit 50
        memtool audit bot.memory --limit 100000 --json | \\
          jq -r '.sameText.largest[].ids[1:][]'
      """)

  @OptionGroup var store: StoreArgument
  @OptionGroup var reading: ReadingOptions

  @Option(help: ArgumentHelp("Only the memories of this user.", valueName: "id"))
  var user: String?

  @Option(help: ArgumentHelp("The most entries of every list.", valueName: "n"))
  var limit = 10

  @Option(help: ArgumentHelp("The cosine from which on embeddings are near duplicates, above 0 and at most 1.", valueName: "cosine"))
  var threshold: Float = 0.97

  @Option(
    help: ArgumentHelp("With how many embeddings stored after it each one is compared, where a user has more than 2000.", valueName: "n"))
  var window = 1000

  @Option(name: .customLong("constant"), help: ArgumentHelp("How many memories share an embedding to call it constant.", valueName: "n"))
  var constantCount = 10

  @Flag(help: "Show no progress.")
  var quiet = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if limit < 1 { throw ValidationError("The limit is \(limit), it must be at least 1.") }
    // Refuses NaN, too.
    guard threshold > 0, threshold <= 1 else {
      throw ValidationError("The threshold is \(threshold), it must lie above 0 and not above 1.")
    }
    if window < 1 { throw ValidationError("The window is \(window), it must be at least 1.") }
    if constantCount < 2 { throw ValidationError("The count of a constant embedding is \(constantCount), it must be at least 2.") }
  }

  func run() async throws {
    let bar = ProgressBar(isQuiet: quiet || output.json)
    let options = AuditOptions(
      scope: user.map(SearchScope.user) ?? .all, limit: limit, threshold: threshold, window: window, constantCount: constantCount)
    let report = try await store.open(reading.access) { store in
      defer { bar.finish() }
      return try await store.audit(options, progress: bar.update)
    }
    try output.json ? Output.json { $0.write(report) } : AuditTables(report: report).print()
  }
}
