import Foundation
import TestSupport

/// Events around a store that is in use: copies, stopped processes, other pid namespaces, read-only mounts, a clock that jumps.
struct SurroundingsTier: Tier {
  static let name = "around"
  static let summary = "stopped processes, copies of a live store, clock jumps, pid namespaces, read-only mounts"

  static func obstacle() -> String? {
    geteuid() == 0 ? nil : "mounts and pid namespaces are made by root only: run as root"
  }

  private enum Scene: CaseIterable {
    case stopped, copied, clock, namespace, readOnlyMount
  }

  private let campaign: Campaign

  init(_ campaign: Campaign) throws { self.campaign = campaign }

  func run(_ number: Int, in scratch: Scratch) throws -> CaseOutcome {
    var stage = Stage(campaign: campaign, number: number, scratch: scratch, generator: campaign.generator(Self.self, number))
    do {
      switch Scene.allCases[number % Scene.allCases.count] {
      case .stopped: try stage.stopProcesses()
      case .copied: try stage.copyLiveStore()
      case .clock: try stage.jumpClock(campaign.executables.clock)
      case .namespace: try stage.enterNamespace()
      case .readOnlyMount: try stage.mountReadOnly()
      }
      stage.outcome.violations += try stage.victims.check(stage.oracle).violations
    } catch Subprocess.Failure.timedOut(let output) {
      stage.outcome.violations.append("a process hangs: \(output.suffix(300))")
    }
    return stage.outcome
  }

  /// The processes of one case.
  private struct Stage {
    let victims: Victims
    let lanes: [[Lane]]
    var generator: SeededGenerator
    var oracle: WorkerOracle
    var outcome = CaseOutcome()

    init(campaign: Campaign, number: Int, scratch: Scratch, generator: SeededGenerator) {
      victims = Victims(campaign: campaign, scratch: scratch)
      lanes = (0..<3).map { process in [Lane(name: "p\(process)", seed: campaign.seed &+ UInt64(number))] }
      self.generator = generator
      oracle = WorkerOracle(lanes.flatMap { $0 })
    }

    /// Starts a worker that writes without end, and waits until it has opened the store.
    private func start(_ process: Int) throws -> Subprocess {
      let child = try victims.start(victims.worker(lanes[process], writes: 0, compactEvery: process == 2 ? 6 : 0))
      while try child.readLine() != WorkerEvent.opened.line {}
      return child
    }

    private mutating func end(_ child: Subprocess) throws {
      child.kill()
      let end = try child.finish()
      oracle.read(end.standardOutput)
      if end.termination != .signalled(SIGKILL) {
        outcome.violations.append("a worker ended with \(end.termination): \(end.standardError.suffix(300))")
      }
    }

    /// Stops one process at a random moment, when it holds snapshots and perhaps the writer's lock.
    mutating func stopProcesses() throws {
      let children = try (0..<3).map { try start($0) }
      for _ in 0..<5 {
        let child = children[Int.random(in: 0..<3, using: &generator)]
        Thread.sleep(forTimeInterval: Double.random(in: 0.01...0.1, using: &generator))
        kill(child.processID, SIGSTOP)
        Thread.sleep(forTimeInterval: Double.random(in: 0.05...0.6, using: &generator))
        if Self.isStopped(child.processID) { outcome.inject("processes stopped") }
        kill(child.processID, SIGCONT)
      }
      for child in children { try end(child) }
    }

    private static func isStopped(_ process: Int32) -> Bool {
      let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
      return status?.contains("\nState:\tT") ?? false
    }

    /// Copies the store while it is in use. Opening and closing `lock.mdb` is harmless, except in a process that has the store open.
    mutating func copyLiveStore() throws {
      let children = try (0..<3).map { try start($0) }
      for copy in 0..<4 {
        // A file that vanishes while it is copied is no fault.
        let place = victims.scratch.path("copy-\(copy)")
        _ = try Subprocess.run("/bin/cp", ["-r", victims.scratch.store, place])
        if FileManager.default.fileExists(atPath: "\(place)/current") { outcome.inject("live stores copied") }
      }
      for child in children { try end(child) }
    }

    /// Runs writers whose clocks are years apart, so that a later write can have an earlier time.
    mutating func jumpClock(_ library: String) throws {
      for (process, years) in [(0, 9), (1, -9), (2, 0)] {
        let end = try victims.start(
          victims.worker(lanes[process], writes: 10, compactEvery: 4),
          wrapper: ["/usr/bin/env", "LD_PRELOAD=\(library)", "ENGRAM_TORTURE_CLOCK=\(years * 31_557_600)"]
        ).finish()
        let seen = oracle.read(end.standardOutput)
        let year = Calendar.current.component(.year, from: Date(timeIntervalSinceNow: Double(years) * 31_557_600))
        if years != 0, seen["the year is \(year)"] == 1 { outcome.inject("clock jumps") }
        if end.termination != .exited(0) || oracle.lanes[lanes[process][0].name]?.acknowledged != 10 {
          outcome.violations.append(
            "a worker \(years) years away ended with \(end.termination): \(end.standardOutput.suffix(200)) \(end.standardError.suffix(300))"
          )
        }
      }
    }

    /// LMDB tells processes apart by pid and thread, so a process of a second namespace is refused while one of the first is there.
    mutating func enterNamespace() throws {
      let child = try start(0)
      let stranger = try victims.start(
        victims.worker(lanes[1], writes: 5), wrapper: ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"]
      ).finish()
      if stranger.termination != .exited(1) || !stranger.standardOutput.contains("foreignNamespace") {
        outcome.violations.append(
          "a process of another pid namespace was let in: \(stranger.termination) \(stranger.standardOutput.suffix(200))")
      }
      if stranger.standardOutput.contains("foreignNamespace") { outcome.inject("pid namespaces") }
      oracle.read(stranger.standardOutput)
      try end(child)
    }

    /// Without locks no snapshot is safe, so a store on a read-only mount is refused, with the error that says so.
    mutating func mountReadOnly() throws {
      let end = try victims.start(victims.worker(lanes[0], writes: 10)).finish()
      oracle.read(end.standardOutput)
      let mount = victims.scratch.path("mount")
      try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
      try MountedDisk.run("/bin/mount", ["--bind", victims.scratch.store, mount])
      defer { try? MountedDisk.run("/bin/umount", [mount]) }
      try MountedDisk.run("/bin/mount", ["-o", "remount,bind,ro", mount])
      if !FileManager.default.createFile(atPath: "\(mount)/probe", contents: nil) { outcome.inject("read-only mounts") }
      let refused = try victims.start(victims.worker(lanes[1], writes: 5, store: mount)).finish()
      if refused.termination != .exited(1) || !refused.standardOutput.contains("readOnlyFileSystem") {
        outcome.violations.append("a read-only mount was not refused by name: \(refused.termination) \(refused.standardOutput.suffix(200))")
      }
    }
  }
}
