import Foundation
import TestSupport

/// Finds the system calls that each public call makes on files, and checks the outcome of the public call if one of them fails.
struct SurfaceWalk: Sendable {
  /// One system call of one public call fails, with one error.
  struct Point: Sendable, CustomStringConvertible {
    let call: String
    /// The number of the system call among those that the public call makes on the case's files, from 1.
    let number: Int
    /// The system call and its file, as they were when the calls were counted.
    let systemCall: String
    let path: String
    let fault: (name: String, code: Int32)

    var description: String { "\(call), system call \(number), \(fault.name)" }
  }

  let campaign: Campaign
  /// All public calls by name.
  let calls: [String]

  init(_ campaign: Campaign) throws {
    self.campaign = campaign
    let scratch = try Scratch("\(campaign.directory)/surface-names")
    defer { scratch.remove() }
    let end = try Victims(campaign: campaign, scratch: scratch).start(Self.worker(scratch, nil)).finish()
    guard end.termination == .exited(0) else { throw TracedWorkload.WorkloadFailed(outcome: end) }
    calls = end.standardOutput.split(separator: "\n").map(String.init)
  }

  private static func worker(_ scratch: Scratch, _ call: String?) -> [String] {
    ["surface-worker", scratch.store, "--scratch", scratch.path] + (call.map { ["--call", $0] } ?? [])
  }

  /// Runs a public call to its end and returns all points of it.
  func points(of call: String) throws -> [Point] {
    let scratch = try Scratch("\(campaign.directory)/surface-count-\(call)")
    defer { scratch.remove() }
    let log = scratch.path("calls")
    let end = try Victims(campaign: campaign.withoutDefect, scratch: scratch).trace(
      Self.tracing(scratch, log), Self.worker(scratch, call) + ["--once"])
    guard end.termination == .exited(0), end.standardOutput.hasSuffix("call ok\n") else {
      throw TracedWorkload.WorkloadFailed(outcome: end)
    }
    let made = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").compactMap { TracedCall($0) }
    return made.flatMap { made in
      Self.faults(of: made.name).map { Point(call: call, number: made.number, systemCall: made.name, path: made.path, fault: $0) }
    }
  }

  private static func tracing(_ scratch: Scratch, _ log: String) -> [String] {
    ["--marker", "--scope", scratch.path, "--only", names.joined(separator: ","), "--log", log]
  }

  /// The system calls that can fail. `close` is left out: if it failed, only a descriptor would be lost.
  private static let names = [
    "read", "write", "pread64", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate", "flock", "fcntl", "fchmod",
    "fstat", "lseek", "getdents64", "mmap", "openat", "mkdirat", "unlinkat", "newfstatat", "fchmodat", "readlinkat", "statx", "statfs",
    "truncate",
    "renameat", "renameat2", "open", "creat", "stat", "lstat", "mkdir", "rmdir", "unlink", "chmod", "readlink", "access", "rename",
  ]

  /// The faults of a system call. Any call can meet a failing disk; some can meet a full one, or the end of another resource.
  static func faults(of name: String) -> [(name: String, code: Int32)] {
    let further: [(String, Int32)] =
      switch name {
      case "write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "fsync", "fdatasync", "mkdir", "mkdirat", "rename",
        "renameat",
        "renameat2":
        [("ENOSPC", ENOSPC)]
      case "open", "openat", "creat": [("ENOSPC", ENOSPC), ("EMFILE", EMFILE)]
      case "mmap": [("ENOMEM", ENOMEM)]
      case "flock", "fcntl": [("ENOLCK", ENOLCK)]
      default: []
      }
    return [("EIO", EIO)] + further
  }

  func run(_ point: Point, in scratch: Scratch) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let log = scratch.path("hit")
    let end: Subprocess.Outcome
    do {
      end = try Victims(campaign: campaign, scratch: scratch).trace(
        Self.tracing(scratch, log) + ["--point", "\(point.number)", "--action", "error", "--errno", "\(point.fault.code)"],
        Self.worker(scratch, point.call))
    } catch Subprocess.Failure.timedOut(let output) {
      outcome.violations = ["\(point): the process hangs: \(output.suffix(300))"]
      return outcome
    }
    if Tracing.injections(log) > 0 { outcome.inject(point.fault.name) }
    outcome.count("\(point.call): injected", outcome.injected)
    judge(end, point, &outcome)
    if !outcome.violations.isEmpty, let hit = try? String(contentsOfFile: log, encoding: .utf8) {
      outcome.violations.append("\(point): \(hit.split(separator: "\n").first ?? "at no call")")
    }
    return outcome
  }

  private func judge(_ end: Subprocess.Outcome, _ point: Point, _ outcome: inout CaseOutcome) {
    if end.termination != .exited(0) {
      outcome.violations.append("\(point): the process ended with \(end.termination): \(end.standardError.suffix(500))")
    }
    var ends: [Substring: Substring] = [:]
    for line in end.standardOutput.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2 else { continue }
      ends[words[0]] = words[1]
      if words[0] == "problem" { outcome.violations.append("\(point): the store is damaged: \(words[1])") }
      // The code of a `StoreError` begins with a small letter, the type of another error with a capital.
      if words[0] != "problem", words[1].first?.isLowercase != true, words[1] != "CancellationError" {
        outcome.violations.append("\(point): \(words[0]) threw \(words[1])")
      }
    }
    if end.termination == .exited(0), ends["reopen"] == nil { outcome.violations.append("\(point): the process did not say how it ended") }
    // The fault is over, so a store that could be closed can be opened.
    if ends["close"] == "ok", let reopen = ends["reopen"], reopen != "ok" {
      outcome.violations.append("\(point): closed, and cannot be opened again: \(reopen)")
    }
    if let call = ends["call"] { outcome.count("call ended: \(call)") }
  }
}
