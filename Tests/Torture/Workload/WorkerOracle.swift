/// What the logs of all workers say about each lane: how many of its writes must be in the store, and how many may be.
struct WorkerOracle: Codable, Sendable {
  struct Progress: Codable, Sendable {
    var lane: Lane
    /// Writes that began.
    var issued = 0
    /// Writes that were acknowledged.
    var acknowledged = 0
    /// The last write that began threw an error that says that nothing was changed.
    var lastIsUnchanged = false
    /// Acknowledged writes must be there even if the last ones of other lanes may be lost.
    var losesNothing = false
    /// The place among the writes of all lanes that each acknowledged write of this lane reported, by number.
    var positions: [Int: Int] = [:]

    /// How many of the lane's writes a store may hold.
    var allowed: ClosedRange<Int> { acknowledged...max(acknowledged, lastIsUnchanged ? issued - 1 : issued) }
  }

  /// A worker's note before it moves the store to another embedder.
  static let reembedding = "reembed begins"

  private(set) var lanes: [String: Progress] = [:]
  /// Acknowledged writes may be lost, but only the last ones of all lanes: the promise of deferred durability after a power failure.
  var mayLoseTheLast = false
  /// The creation of the store was not acknowledged: it may be missing.
  var mayBeMissing = true
  /// A move to another embedder began: any memory may have an embedding.
  var embedsAll = false
  private(set) var violations: [String] = []
  /// The tracer lets flushes fail for good: from then on nothing may be acknowledged.
  var failsFlushes = false
  private var generation = 1
  private var hasLostFlush = false
  private var begunAfterLostFlush: Set<String> = []

  init(_ lanes: [Lane]) {
    for lane in lanes { self.lanes[lane.name] = Progress(lane: lane) }
  }

  /// Takes in a worker's output, which may end in the middle of a line.
  ///
  /// - Returns: How often each kind of event is in it.
  @discardableResult
  mutating func read(_ output: String) -> [String: Int] {
    var counts: [String: Int] = [:]
    var lines = output.split(separator: "\n", omittingEmptySubsequences: false)
    lines.removeLast()
    for line in lines {
      guard let event = WorkerEvent(line: line) else {
        violations.append("a worker printed '\(line)'")
        continue
      }
      apply(event)
      switch event {
      case .note(let text): counts[text, default: 0] += 1
      case .failed(_, _, _, let code): counts["failed \(code)", default: 0] += 1
      case .acknowledged: counts["acknowledged", default: 0] += 1
      case .issued, .opened, .violation, .generation, .fault: break
      }
    }
    return counts
  }

  private mutating func apply(_ event: WorkerEvent) {
    switch event {
    case .opened: mayBeMissing = false
    case .violation(let text): violations.append("seen by a worker: \(text)")
    case .note(let text): embedsAll = embedsAll || text == Self.reembedding
    case .generation(let number): generation = number
    case .fault(let call, let path): hasLostFlush = hasLostFlush || (failsFlushes && isLiveFlush(call, path))
    case .issued(let lane, let number):
      lanes[lane]?.issued = number + 1
      lanes[lane]?.lastIsUnchanged = false
      if hasLostFlush { begunAfterLostFlush.insert(lane) }
    case .acknowledged(let lane, let number, let position):
      lanes[lane]?.acknowledged = number + 1
      lanes[lane]?.positions[number] = position
      if begunAfterLostFlush.contains(lane) { violations.append("lane \(lane): write \(number) was acknowledged after a flush had failed") }
    case .failed(let lane, _, let isCertain, _): lanes[lane]?.lastIsUnchanged = isCertain
    }
  }

  /// Whether a call flushes the live generation: if a flush of one that is being built, or of a backup, fails, nothing else is lost.
  private func isLiveFlush(_ call: String, _ path: String) -> Bool {
    guard call == "fdatasync" || call == "fsync" else { return false }
    return ["data.mdb", "rows.f32"].contains { path.hasSuffix("/store/gen-\(generation)/\($0)") }
  }

  /// Allows the store to have any number of the lane's first writes, up to `issued`.
  mutating func allow(_ lane: String, upTo issued: Int) { lanes[lane]?.issued = issued }

  /// Requires all acknowledged writes of the lane: its process flushes each commit, whatever others do.
  mutating func requireAcknowledged(_ lane: String) { lanes[lane]?.losesNothing = true }

  /// Sets the number of the lane's writes that are in the store, which is known: the lane goes on from there.
  mutating func settle(_ lane: String, at count: Int) {
    lanes[lane]?.acknowledged = count
    lanes[lane]?.issued = count
    lanes[lane]?.lastIsUnchanged = false
  }
}
