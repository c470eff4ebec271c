import Foundation
import TestSupport

/// The settings that all tiers of a run share.
struct Campaign: Sendable {
  let seed: UInt64
  /// The directory in which each case has one of its own.
  let directory: String
  var executables: Executables
  /// The defect that the victims are run with; nil: none.
  var plantedDefect: String?
  /// A recording to be used by the tier `torn` instead of one of its own.
  var recording: String?
  /// The only kind of fault that is tried; nil: all.
  var fault: String?

  /// Keeps the directory of a case that found something: it is not removed at the end, nor by a later run.
  func keep(_ scratch: Scratch) {
    _ = FileManager.default.createFile(atPath: scratch.path(DirectoryMaker.keepMark), contents: nil)
    _ = FileManager.default.createFile(atPath: "\(directory)/\(DirectoryMaker.keepMark)", contents: nil)
  }

  /// Removes the directories of all cases except those that are kept.
  func cleanUp() {
    let manager = FileManager.default
    let mark = DirectoryMaker.keepMark
    for name in (try? manager.contentsOfDirectory(atPath: directory)) ?? [] {
      if name != mark, !manager.fileExists(atPath: "\(directory)/\(name)/\(mark)") { Scratch.remove("\(directory)/\(name)") }
    }
    if !manager.fileExists(atPath: "\(directory)/\(mark)") { Scratch.remove(directory) }
  }

  /// The same campaign without a planted defect.
  var withoutDefect: Campaign {
    var campaign = self
    campaign.plantedDefect = nil
    return campaign
  }

  /// The generator of one case: a failure is repeated by the seed and the case's number alone.
  func generator(_ tier: any Tier.Type, _ number: Int) -> SeededGenerator {
    SeededGenerator(seed: seed ^ Lane.hash("\(tier.name)/\(number)"))
  }
}

/// The programs of the harness, which the build puts side by side.
struct Executables: Sendable {
  let torture: String
  var tracer: String
  /// A library to be preloaded, which moves the clock of a process.
  let clock: String

  init() throws {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let directory = URL(fileURLWithPath: own).deletingLastPathComponent()
    torture = directory.appendingPathComponent("Torture").path
    clock = directory.appendingPathComponent("libTortureClock.so").path
    tracer = directory.appendingPathComponent("TortureTracer").path
  }
}

/// The directory of one case: removed at its end, unless it found something.
final class Scratch: Sendable {
  let path: String

  init(_ path: String) throws {
    self.path = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  func path(_ name: String) -> String { "\(path)/\(name)" }
  var store: String { path("store") }

  func remove() { Self.remove(path) }

  /// What cannot be removed is left to the next cleaning of the temporary directory.
  static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
}
