/// How far a long operation is.
///
/// An operation calls its `progress` closure on a thread of its own (an import also on the writer thread), never twice at once, about once
/// for 256 KiB or 1,024 steps of its work. The operation waits for the closure, so the closure must be quick; it must not call the store.
public struct OperationProgress: Sendable, Hashable {
  /// What an operation is doing. An operation may have several phases, and may return to an earlier one. Later versions may add phases.
  public struct Phase: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: String {
      case checking, embedding, writing, exporting, counting, verifying, copying, auditing, salvaging, comparing, scanning, searching,
        importing
    }

    private let kind: Kind
    /// What ``OperationProgress/count`` counts, in the plural: `lines`.
    public var unit: String {
      switch kind {
      case .checking, .writing: "lines"
      case .embedding: "texts"
      case .exporting, .copying: "records"
      case .counting, .auditing: "memories"
      case .verifying, .salvaging: "entries"
      case .comparing: "items"
      case .scanning: "MiB"
      case .searching: "questions"
      case .importing: "messages"
      }
    }
    /// One word, such as `checking`.
    public var description: String { kind.rawValue }

    /// Reads and checks the lines of an import; `done` and `total` are bytes of the files.
    public static let checking = Self(kind: .checking)
    /// Embeds texts of an import, or of memories that are stored; `done` and `total` are texts.
    public static let embedding = Self(kind: .embedding)
    /// Writes the lines of an import in one transaction; `done` and `total` are bytes of the files.
    public static let writing = Self(kind: .writing)
    /// Writes an export; `done` and `total` are memories and contexts.
    public static let exporting = Self(kind: .exporting)
    /// Compares memories with a filter; `done` and `total` are memories.
    public static let counting = Self(kind: .counting)
    /// Checks that records, index entries, counts and rows match; `done` and `total` are entries of the database and rows.
    public static let verifying = Self(kind: .verifying)
    /// Copies records into other files; `done` and `total` are entries of the database and rows.
    public static let copying = Self(kind: .copying)
    /// Reads memories for an audit; `done` and `total` are memories.
    public static let auditing = Self(kind: .auditing)
    /// Looks for sound values in damaged files; `done` and `total` are bytes.
    public static let salvaging = Self(kind: .salvaging)
    /// Compares pairs of embeddings in an audit, or what is erased with what stays; `done` and `total` are pairs or entries.
    public static let comparing = Self(kind: .comparing)
    /// Searches the files for what was erased; `done` and `total` are bytes.
    public static let scanning = Self(kind: .scanning)
    /// Searches for the questions of an evaluation; `done` and `total` are questions.
    public static let searching = Self(kind: .searching)
    /// Reads, embeds and writes conversations; `done` and `total` are bytes of the files.
    public static let importing = Self(kind: .importing)
  }

  public let phase: Phase
  /// How much of ``total`` is done, in the unit that the phase documents, such as bytes or entries. Never more than `total`.
  public let done: Int
  /// The work of the whole phase, in the same unit; may grow during the phase, because others write meanwhile.
  public let total: Int
  /// How many lines, records or MiB are done; ``Phase/unit`` names what is counted.
  public let count: Int

  /// For tests of a progress closure; operations make their own.
  public init(phase: Phase, done: Int, total: Int, count: Int) {
    self.phase = phase
    self.done = done
    self.total = total
    self.count = count
  }
}
