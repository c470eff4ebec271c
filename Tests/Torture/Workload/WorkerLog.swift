import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The log that a worker prints for the process that started it, one event per line: it outlives the worker, and the store is compared
/// with it.
enum WorkerLog {
  /// Writes a line at once and in one call, so that a line in the log is whole and was true when it was written.
  static func say(_ line: String, to descriptor: Int32 = 1) {
    var bytes = Array("\(line)\n".utf8)[...]
    while !bytes.isEmpty {
      // SAFETY: write reads the slice's own bytes.
      let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        exit(74)
      }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// An event in a worker's log.
enum WorkerEvent: Equatable {
  /// The worker has opened the store.
  case opened
  /// A lane begins its write of this number.
  case issued(lane: String, number: Int)
  /// The write was acknowledged; as the `position`-th of all lanes.
  case acknowledged(lane: String, number: Int, position: Int)
  /// The write threw; `isCertain`: the error says that nothing was changed.
  case failed(lane: String, number: Int, isCertain: Bool, code: String)
  /// The store's live generation, as the worker has just seen it.
  case generation(Int)
  /// The tracer let a call fail.
  case fault(call: String, path: String)
  /// The worker itself saw a violation.
  case violation(String)
  /// Something to count.
  case note(String)

  var line: String {
    switch self {
    case .opened: "opened"
    case .issued(let lane, let number): "issued \(lane) \(number)"
    case .acknowledged(let lane, let number, let position): "acknowledged \(lane) \(number) \(position)"
    case .failed(let lane, let number, let isCertain, let code): "failed \(lane) \(number) \(isCertain ? "unchanged" : "unknown") \(code)"
    case .generation(let number): "generation \(number)"
    case .fault(let call, let path): "fault \(call) \(path)"
    case .violation(let text): "violation \(text)"
    case .note(let text): "note \(text)"
    }
  }

  /// Nil for a line that is not the log's.
  init?(line: Substring) {
    let words = line.split(separator: " ", maxSplits: 1)
    let rest = words.count > 1 ? words[1] : ""
    let fields = rest.split(separator: " ")
    switch words.first {
    case "opened": self = .opened
    case "issued":
      guard fields.count == 2, let number = Int(fields[1]) else { return nil }
      self = .issued(lane: String(fields[0]), number: number)
    case "acknowledged":
      guard fields.count == 3, let number = Int(fields[1]), let position = Int(fields[2]) else { return nil }
      self = .acknowledged(lane: String(fields[0]), number: number, position: position)
    case "failed":
      guard fields.count >= 4, let number = Int(fields[1]) else { return nil }
      self = .failed(
        lane: String(fields[0]), number: number, isCertain: fields[2] == "unchanged", code: fields[3...].joined(separator: " "))
    case "generation":
      guard let number = fields.first.flatMap({ Int($0) }) else { return nil }
      self = .generation(number)
    case "fault":
      guard let call = fields.first else { return nil }
      self = .fault(call: String(call), path: fields.dropFirst().joined(separator: " "))
    case "violation": self = .violation(String(rest))
    case "note": self = .note(String(rest))
    default: return nil
    }
  }
}
