import Engram
import Foundation
import SurfaceCalls

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Calls every public function that throws, after a resource that the store needs has been removed.
enum EveryError {
  /// Prints how each call ends, as ``SurfaceCalls/outcome(_:)`` names it, and finally the number of calls.
  static func run(_ path: String, cause: String, scratch: String) async throws {
    let surface = try await SurfaceCalls(path, scratch: scratch, rows: 2000) { EngramTestChild.say("body \($0)") }
    let calls = surface.calls
    // The threads of the cooperative pool must exist before the resource is removed.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { usleep(20_000) } }
    }
    try take(cause, path)
    for (name, call) in calls { EngramTestChild.say("\(name) \(await SurfaceCalls.outcome(call))") }
    EngramTestChild.say("calls \(calls.count)")
    exit(0)
  }

  private static func take(_ cause: String, _ path: String) throws {
    switch cause {
    case "removed": try FileManager.default.removeItem(atPath: path)
    case "descriptors": while unsafe open("/dev/null", O_RDONLY) >= 0 {}
    default:
      // A write past the limit is an error only if the signal is ignored.
      _ = signal(SIGXFSZ, SIG_IGN)
      guard let bytes = UInt(cause) else { throw StoreError(.invalidArgument, "no such cause: \(cause)") }
      var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
      guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { throw StoreError(.inputOutput, "setrlimit") }
    }
  }
}
