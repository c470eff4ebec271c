import Foundation
import Testing

@testable import TestSupport
@testable import Torture

/// The bug: tests and tiers left directories in the temporary directory, 112 MB after one run. The cause: values in static properties are
/// never released, tiers kept what they had built for all cases, and a killed process removes nothing. The fix: a process removes its
/// directories when it ends, and those of a killed process are removed by the next one.
@Suite struct LeftoverTests {
  private let directory = TemporaryDirectory()

  private func make(_ maker: DirectoryMaker, _ use: String = "tests") throws -> String {
    let name = "engram-\(use)-\(maker.namespace)-\(maker.process)-\(maker.start)-abc"
    try FileManager.default.createDirectory(atPath: directory.path("\(name)/below"), withIntermediateDirectories: true)
    return name
  }

  @Test func onlyWhatBelongsToNobodyIsRemoved() throws {
    let own = try #require(DirectoryMaker.own)
    let child = try Subprocess("/bin/cat", [])
    let running = try #require(DirectoryMaker(process: child.processID))
    _ = try child.finish()
    #expect(running.isGone && !own.isGone)

    let gone = try make(running)
    let tier = try make(running, "torture")
    let given = try make(DirectoryMaker(namespace: own.namespace, process: own.process, start: own.start &- 1))
    let kept = try make(running, "kept")
    _ = FileManager.default.createFile(atPath: directory.path("\(kept)/\(DirectoryMaker.keepMark)"), contents: nil)
    let mine = try make(own)
    let elsewhere = try make(DirectoryMaker(namespace: own.namespace &+ 1, process: running.process, start: running.start))
    let strangers = ["engram", "engram-tests-abc", "engram-tests-1-2-x-y", "other-tests-1-2-3-4"]
    for name in strangers { try FileManager.default.createDirectory(atPath: directory.path(name), withIntermediateDirectories: false) }

    DirectoryMaker.removeAbandoned(in: directory.path)
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(Set(left) == Set([kept, mine, elsewhere] + strangers), "\(gone), \(tier), \(given)")
  }

  @Test(.timeLimit(.minutes(5))) func aRunLeavesNothingAndTheNextOneRemovesWhatAKilledOneLeft() throws {
    let torture = try Executables().torture
    let place = ["TMPDIR": directory.path]
    let killed = try Subprocess(torture, ["--tier", "hostile", "--minutes", "1"], environment: place)
    while try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty { usleep(1000) }
    killed.kill()
    _ = try killed.finish()
    #expect(try !FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    let next = try Subprocess.run(torture, ["--tier", "hostile", "--case", "3", "--seed", "1"], environment: place)
    #expect(next.termination == .exited(0), "\(next)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
  }
}
