import Foundation
import TestSupport
import Testing

@testable import Torture

/// Recordings of real runs.
@Suite struct RecordingTests {
  private let directory = TemporaryDirectory()

  /// The images of crashes are only valid if the recording misses nothing.
  @Test(arguments: 0..<RecordedWorkload.Kind.allCases.count)
  func replayWithoutACrashIsWhatTheRunLeft(number: Int) throws {
    let campaign = Campaign(seed: 11, directory: directory.path, executables: try Executables())
    let scratch = try Scratch(directory.path("run"))
    let workload = RecordedWorkload(campaign, number)
    try workload.record(Victims(campaign: campaign, scratch: scratch), to: directory.path("recording"))

    let recording = try Recording(file: directory.path("recording"))
    var image = CrashImage(withoutCrash: Disk(recording, count: recording.operations.count))
    let replayed = try Scratch(directory.path("replayed"))
    try image.write(to: replayed.path)
    var (real, copy) = (try Script.files(scratch.path), try Script.files(replayed.path))
    #expect(Set(real.keys) == Set(copy.keys))
    #expect(real.keys.contains { $0.hasPrefix("store/gen-") && $0.hasSuffix("/rows.f32") && !$0.contains("gen-1/") })
    #expect(real.keys.contains("backup/gen-1/data.mdb"))
    // LMDB keeps its readers in a shared map, which the first opening initialises again.
    for name in real.keys where name.hasSuffix("/lock.mdb") {
      #expect(real.removeValue(forKey: name)?.count == copy.removeValue(forKey: name)?.count)
    }
    for (name, bytes) in real { #expect(bytes == copy[name], "\(name) differs") }

    var oracle = workload.oracle
    #expect(oracle.read(recording.output(before: recording.operations.count))["backup"] == 1)
    #expect(oracle.lanes.values.allSatisfy { $0.acknowledged == 12 })
  }
}
