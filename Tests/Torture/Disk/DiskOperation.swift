/// One operation of a run on its files, or one output. Files and directories have numbers, because names change.
enum DiskOperation: Sendable, Equatable {
  /// Durable on return if `isSynchronous` says so.
  case write(file: Int, offset: Int, Content, isSynchronous: Bool)
  case resize(file: Int, size: Int)
  case makeFile(Int)
  case makeDirectory(Int)
  /// Names of a directory change together; an entry without a node removes its name.
  case rename(directory: Int, [Entry])
  /// The flush that this thread begins covers the operations that are completed by now.
  case beginFlush(thread: Int)
  case endFlush(thread: Int, node: Int)
  case print(bytes: Range<Int>)

  enum Content: Sendable, Equatable {
    /// Bytes of the recording.
    case recorded(Range<Int>)
    case zeros(count: Int)

    var count: Int {
      switch self {
      case .recorded(let bytes): bytes.count
      case .zeros(let count): count
      }
    }

    /// A part of it, counted from its beginning.
    func part(_ range: Range<Int>) -> Content {
      switch self {
      case .recorded(let bytes): .recorded(bytes.lowerBound + range.lowerBound..<bytes.lowerBound + range.upperBound)
      case .zeros: .zeros(count: range.count)
      }
    }
  }

  struct Entry: Sendable, Equatable {
    let name: String
    let node: Int?
  }

  /// The directory whose changes are recorded. It is there, and durable, before the first operation.
  static let root = 0
}
