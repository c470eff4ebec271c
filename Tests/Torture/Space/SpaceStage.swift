import Files
import Foundation
import TestSupport

/// One store on one disk, and the calls that are made on it with ever more room.
///
/// At each level: no signal and no hang; a call that fails throws `.diskFull` and leaves nothing behind. At the end there is room, and
/// everything that was acknowledged must be there.
struct SpaceStage {
  private(set) var outcome = CaseOutcome()
  private let disk: FillableDisk
  private let victims: Victims
  private let template: SpaceTemplate
  private var oracle: WorkerOracle
  /// Whether the lock table was made a hole, and no call has succeeded since that would have filled it.
  private var hasHoles = false
  private var store: String { victims.scratch.store }

  private static let readers = 3
  private static let snapshotsOfAReader = 250
  /// The size of `lock.mdb`: with less room, a hole in it cannot be filled.
  private static let lockTableBytes = 65_664

  init(campaign: Campaign, disk: FillableDisk, template: SpaceTemplate) throws {
    self.disk = disk
    self.template = template
    victims = Victims(campaign: campaign, scratch: try Scratch(disk.path))
    oracle = template.oracle
  }

  /// Copies the template, holes included, and lets many readers open it while no block is free.
  mutating func prepare() throws {
    try MountedDisk.run("/bin/cp", ["-a", template.store, store])
    try read(leaving: 0)
  }

  /// Makes room and compares the store with what was acknowledged.
  ///
  /// - Parameter kept: Where the store of a finding goes.
  mutating func finish(keptIn kept: Scratch) throws {
    try disk.makeRoom()
    if !outcome.counts.keys.contains(where: { $0.hasSuffix(": disk full") }) { outcome.count("cases in which no call met a full disk") }
    if !outcome.violations.isEmpty { try MountedDisk.run("/bin/cp", ["-a", store, kept.path("found")]) }
    outcome.violations += try victims.check(oracle).violations
  }

  // MARK: Calls

  /// Makes a call that creates another store, which must be complete, or not exist.
  mutating func copy(_ call: SpaceWorker.Call, _ name: String, leaving blocks: Int) throws {
    let place = "\(disk.path)/\(name)"
    try leave(blocks)
    let isDone = try run(call, ["--into", place], blocks)
    try disk.makeRoom()
    guard isDone else {
      for left in try disk.entries() where left.hasPrefix(name) { violate("failed, and left \(left)", call.rawValue, blocks) }
      return
    }
    // The check writes, so it is made on the copy, with an oracle of its own.
    var copied = call == .create ? WorkerOracle([]) : oracle
    copied.mayBeMissing = false
    outcome.violations += try victims.check(copied, store: place).violations.map { "\(name): \($0)" }
    try FileManager.default.removeItem(atPath: place)
  }

  /// Opens the store with a lock table as it is, or, at odd levels, as earlier versions left it: a hole.
  mutating func open(leaving blocks: Int) throws {
    if blocks % 2 == 1 { try makeHoles() }
    try leave(blocks)
    let isDone = try run(.open, [], blocks)
    if !isDone, !hasHoles { violate("a store whose files have their blocks was not opened", "open", blocks) }
    if isDone { hasHoles = false }
    if blocks * disk.kind.blockBytes < Self.lockTableBytes { outcome.inject("open with less room than lock.mdb takes") }
  }

  mutating func read(leaving blocks: Int) throws {
    if blocks % 2 == 1 { try makeHoles() }
    try leave(blocks)
    var readers: [Subprocess] = []
    for _ in 0..<Self.readers {
      let reader = try victims.start(["space-worker", "read", store, "--snapshots", "\(Self.snapshotsOfAReader)"])
      readers.append(reader)
      // A reader that died prints nothing.
      _ = try? reader.readLine()
    }
    for reader in readers {
      let isDone = try judge(reader.finish(), "read", blocks)
      if !isDone, !hasHoles { violate("a store whose files have their blocks was not read", "read", blocks) }
      if isDone { hasHoles = false }
    }
    outcome.count("snapshots held", Self.readers * Self.snapshotsOfAReader)
    if blocks * disk.kind.blockBytes < Self.lockTableBytes { outcome.inject("read with less room than lock.mdb takes") }
  }

  /// Writes to a store whose files have no room reserved at their ends: a store that was written to before has room for a while.
  mutating func add(leaving blocks: Int) throws {
    try disk.makeRoom()
    try FileManager.default.removeItem(atPath: store)
    try MountedDisk.run("/bin/cp", ["-a", template.store, store])
    oracle = template.oracle
    try leave(blocks)
    _ = try write(template.adding, 6, "add", blocks)
    try disk.makeRoom()
    for violation in try victims.check(oracle).violations { violate("then: \(violation)", "add", blocks) }
  }

  mutating func compact(leaving blocks: Int) throws {
    try leave(blocks)
    _ = try run(.compact, [], blocks)
    try checkLeftovers("compact", blocks)
  }

  /// A forgetting that fails has hidden the user and waits for room: the process that opens the store continues it, and must not crash.
  mutating func forget(leaving blocks: Int) throws {
    if (oracle.lanes[template.forgetting.name]?.acknowledged ?? 0) % (SpaceTemplate.writesBetweenForgets + 1) != 0 {
      try disk.makeRoom()
      guard try write(template.forgetting, SpaceTemplate.writesBetweenForgets, "write with room", blocks) else {
        return violate("a write failed though there was room", "forget", blocks)
      }
    }
    try leave(blocks)
    if try !write(template.forgetting, 1, "forget", blocks) {
      if try !run(.open, [], blocks) { violate("an erasure that waits for room kept the store from being opened", "open", blocks) }
      _ = try write(template.adding, 1, "add while an erasure waits", blocks)
    }
    try checkLeftovers("forget", blocks)
  }

  // MARK: One process

  private mutating func leave(_ blocks: Int) throws {
    outcome.count("levels on \(disk.kind.rawValue)")
    if try !disk.leave(blocks: blocks) { outcome.count("levels missed by some blocks") }
  }

  /// - Returns: Whether the call was made.
  private mutating func run(_ call: SpaceWorker.Call, _ more: [String], _ blocks: Int) throws -> Bool {
    try judge(victims.start(["space-worker", call.rawValue, store] + more).finish(), call.rawValue, blocks)
  }

  private mutating func judge(_ end: Subprocess.Outcome, _ name: String, _ blocks: Int) throws -> Bool {
    guard end.termination == .exited(0) else {
      violate("ended with \(end.termination): \(end.standardError.suffix(300))", name, blocks)
      return false
    }
    let last = end.standardOutput.split(separator: "\n").last ?? ""
    if last == "done" {
      outcome.count("\(name): went through")
      return true
    }
    if last.hasPrefix("refused diskFull: ") {
      outcome.inject("\(name): disk full")
    } else {
      violate("threw another error than .diskFull: \(last)", name, blocks)
    }
    return false
  }

  /// - Returns: Whether all of the lane's writes were acknowledged.
  private mutating func write(_ lane: Lane, _ writes: Int, _ name: String, _ blocks: Int) throws -> Bool {
    let before = oracle.lanes[lane.name]?.acknowledged ?? 0
    let end = try victims.start(victims.worker([lane], writes: writes)).finish()
    let seen = oracle.read(end.standardOutput)
    switch end.termination {
    case .exited(0): break
    // The store was not opened or closed.
    case .exited(1) where end.standardOutput.contains("diskFull"): break
    default: violate("ended with \(end.termination): \(end.standardOutput.suffix(200)) \(end.standardError.suffix(300))", name, blocks)
    }
    for (event, _) in seen where event.contains("failed ") && !event.hasSuffix("diskFull") {
      violate("threw another error than .diskFull: \(event)", name, blocks)
    }
    let isDone = oracle.lanes[lane.name]?.acknowledged == before + writes
    if isDone { outcome.count("\(name): went through") } else { outcome.inject("\(name): disk full") }
    return isDone
  }

  mutating func hangs(_ text: String) { outcome.violations.append("a process hangs: \(text)") }

  private mutating func violate(_ text: String, _ name: String, _ blocks: Int) {
    outcome.violations.append("\(name) with \(blocks) blocks free on \(disk.kind.rawValue): \(text)")
  }

  /// To be called when all processes have ended: nothing of a failed rebuild may be left. An earlier generation may wait for the next
  /// opener, if a snapshot was held to the end.
  private mutating func checkLeftovers(_ name: String, _ blocks: Int) throws {
    let current = try String(contentsOfFile: "\(store)/current", encoding: .utf8).dropLast()
    let later = try FileManager.default.contentsOfDirectory(atPath: store).filter {
      $0.hasPrefix("gen-") && $0.localizedStandardCompare(current) == .orderedDescending
    }
    if !later.isEmpty { violate("beside \(current) these were left: \(later.sorted().joined(separator: ", "))", name, blocks) }
  }

  /// Makes the lock table a hole, as earlier versions left it. No process may have it open.
  private mutating func makeHoles() throws {
    hasHoles = true
    let generations = try FileManager.default.contentsOfDirectory(atPath: store).filter { $0.hasPrefix("gen-") }
    for name in generations {
      let file = try Files.FileHandle(path: "\(store)/\(name)/lock.mdb", access: .readWrite)
      try file.truncate(to: 0)
      try file.truncate(to: Self.lockTableBytes)
    }
  }
}
