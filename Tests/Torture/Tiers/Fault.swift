import Foundation

/// A group of system calls and how each of them can fail.
struct FaultGroup: Sendable {
  let calls: [String]
  let faults: [Fault]

  static let all: [FaultGroup] = [
    FaultGroup(
      calls: ["pwrite64", "pwritev", "write", "writev"],
      faults: [
        .fails("EIO", EIO), .fails("ENOSPC", ENOSPC), .fails("EINTR", EINTR), .short, .failsAfter("EIO", EIO), .keepsFailing("EIO", EIO),
        .keepsFailing("ENOSPC", ENOSPC), .keepsFailingAfter("EIO", EIO), .failsAfterAndNextFails("EIO", EIO),
      ]),
    FaultGroup(
      calls: ["fsync", "fdatasync"],
      faults: [.fails("EIO", EIO), .fails("ENOSPC", ENOSPC), .fails("EINTR", EINTR), .keepsFailing("EIO", EIO)]),
    FaultGroup(
      calls: ["rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir"],
      faults: [.fails("EIO", EIO), .fails("ENOSPC", ENOSPC), .fails("EACCES", EACCES)]),
    FaultGroup(
      calls: ["open", "openat"], faults: [.fails("EIO", EIO), .fails("EMFILE", EMFILE), .fails("ENOSPC", ENOSPC), .fails("EINTR", EINTR)]),
    FaultGroup(calls: ["mmap"], faults: [.fails("ENOMEM", ENOMEM)]),
    FaultGroup(calls: ["ftruncate", "chmod", "fchmod"], faults: [.fails("EIO", EIO), .fails("ENOSPC", ENOSPC), .fails("EINTR", EINTR)]),
    FaultGroup(calls: ["flock", "fcntl"], faults: [.fails("EINTR", EINTR), .fails("ENOLCK", ENOLCK)]),
    FaultGroup(
      calls: ["pread64", "read", "getdents64", "fstat", "newfstatat", "stat", "lstat", "statfs"],
      faults: [.fails("EIO", EIO), .fails("EINTR", EINTR)]),
  ]
}

/// The fault of one system call.
enum Fault: Sendable {
  /// The call is not made, and fails.
  case fails(String, Int32)
  /// The call and every later one on the same file are not made, and fail.
  case keepsFailing(String, Int32)
  /// The call is made, and reported as failed.
  case failsAfter(String, Int32)
  /// The call and every later one on the same file are made, and reported as failed.
  case keepsFailingAfter(String, Int32)
  /// The call is made, and reported as failed; the next one on the same file is not made, so LMDB cannot take back its meta page.
  case failsAfterAndNextFails(String, Int32)
  /// Half of the bytes are written.
  case short

  /// Whether the fault is only useful at the meta pages of data.mdb.
  var isOfMetaPages: Bool { if case .failsAfterAndNextFails = self { true } else { false } }

  var arguments: [String] {
    switch self {
    case .fails(_, let code): ["--action", "error", "--errno", "\(code)"]
    case .keepsFailing(_, let code): ["--action", "error", "--errno", "\(code)", "--persist"]
    case .failsAfter(_, let code): ["--action", "after-error", "--errno", "\(code)"]
    case .keepsFailingAfter(_, let code): ["--action", "after-error", "--errno", "\(code)", "--persist"]
    case .failsAfterAndNextFails(_, let code): ["--action", "after-error", "--errno", "\(code)", "--then-error", "1"]
    case .short: ["--action", "short"]
    }
  }

  var name: String {
    switch self {
    case .fails(let name, _): name
    case .keepsFailing(let name, _): "\(name) from then on"
    case .failsAfter(let name, _): "\(name) though done"
    case .keepsFailingAfter(let name, _): "\(name) though done, from then on"
    case .failsAfterAndNextFails(let name, _): "\(name) though done, and the next one"
    case .short: "short write"
    }
  }

  /// Whether a flush with this fault has lost the data that it was to write.
  var losesFlushes: Bool {
    switch self {
    case .fails(_, EIO), .keepsFailing(_, EIO): true
    default: false
    }
  }
}
