import ArgumentParser
import Engram
import Foundation
import SurfaceCalls

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One public call on a store, of which the tracer lets a system call fail; then the same call without a fault, closing and opening anew.
struct SurfaceWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "surface-worker", abstract: "One public call, started by the tier `surface`.", shouldDisplay: false)

  @Argument var store: String
  @Option(help: "Where the call makes other stores.") var scratch: String
  @Option(help: "Its name; none: print the names of all.") var call: String?
  @Flag(help: "End right after the call: its system calls are counted.") var once = false

  /// Enough for a row file to grow.
  private static let rows = 40

  func run() async throws {
    let surface = try await SurfaceCalls(store, scratch: scratch, rows: Self.rows) { WorkerLog.say("body \($0)") }
    let calls = surface.calls
    guard let call else {
      for (name, _) in calls { WorkerLog.say(name) }
      return try await surface.close()
    }
    guard let (_, body) = calls.first(where: { $0.name == call }) else { throw ValidationError("There is no call '\(call)'.") }
    // The tracer counts from here.
    _ = close(-7001)
    WorkerLog.say("call \(await SurfaceCalls.outcome(body))")
    if once { Foundation.exit(0) }
    WorkerLog.say("again \(await SurfaceCalls.outcome(body))")
    WorkerLog.say("close \(await SurfaceCalls.outcome { try await surface.close() })")
    WorkerLog.say("reopen \(await SurfaceCalls.outcome { try await verify() })")
    Foundation.exit(0)
  }

  /// A store that was just closed can be opened, and nothing in it is damaged.
  private func verify() async throws {
    let again = try await MemoryStore.open(at: URL(fileURLWithPath: store))
    for problem in try await again.verify(deep: true).problems { WorkerLog.say("problem \(problem)") }
    try await again.close()
  }
}
