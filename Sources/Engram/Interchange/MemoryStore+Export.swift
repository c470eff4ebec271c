public import Foundation

extension MemoryStore {
  /// Writes a snapshot of memories and contexts to a file.
  ///
  /// Reads and writes go on meanwhile. Two stores with equal content give equal files. Earlier versions of contexts and memories, the log
  /// of changes and expired memories are not part of an export; a backup has them.
  ///
  /// - Parameters:
  ///   - url: The file. It gets mode 0600, and appears complete or not at all; a regular file of that name is replaced. For an array, a
  ///     second file gets the ids of its rows, one a line; its name is that of the first with `.ids.txt` appended.
  ///   - options: What is exported, and how.
  ///   - progress: Called now and then, see ``OperationProgress``.
  /// - Returns: How much was written.
  /// - Throws: ``StoreError`` `.invalidArgument` if `url` is not a file URL, lies inside the store, or is a link, a pipe, a device or a
  ///   directory; `.invalidUserID`, `.notFound` for a user whom the store does not have, `.dimensionMismatch` for an array of a store
  ///   without embeddings, `.diskFull`, `.inputOutput`, `.permissionDenied`, `.corrupted`, `.tooManyReaders`, `.closed`;
  ///   `CancellationError`. No file is left behind, and one that was to be replaced is as it was.
  /// - Complexity: O(size of what is exported), on a thread of its own. The ids of one user, and the names of all contexts, are kept in
  ///   memory.
  @discardableResult
  public func export(
    to url: URL, options: ExportOptions = ExportOptions(), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in }
  ) async throws -> ExportSummary {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "\(url) is not a file URL") }
    try options.check()
    let path = url.path
    return try await exporting { store, check in
      var file = try ExportFile(path: path, of: store)
      let summary: ExportSummary
      if options.format == .array {
        var ids = try ExportFile(path: path + ".ids.txt", of: store)
        summary = try store.exportArray(
          options.selection, progress: reporting(progress, check), rows: { try file.append($0) }, ids: { try ids.append($0) })
        // The last check: once the first file has its name, the export is not cancelled any more.
        try check()
        try ids.commit()
      } else {
        summary = try store.write(options, reporting(progress, check)) { try file.append($0) }
        try check()
      }
      try file.commit()
      return summary
    }
  }

  /// Hands a snapshot of memories and contexts to `sink`, as ``export(to:options:progress:)`` writes it to a file.
  ///
  /// - Parameters:
  ///   - options: What is exported, and how; an array is refused, because it needs two files.
  ///   - progress: Called now and then, see ``OperationProgress``.
  ///   - sink: Called with whole lines of UTF-8, about a MiB at a time, on a thread of the export. An error that it throws ends the export.
  /// - Returns: How much was handed over.
  /// - Throws: What `sink` throws, and ``StoreError`` as ``export(to:options:progress:)``. The bytes that `sink` got before are incomplete.
  @discardableResult
  public func export(
    options: ExportOptions = ExportOptions(), progress: @escaping @Sendable (OperationProgress) -> Void = { _ in },
    into sink: @escaping @Sendable ([UInt8]) throws -> Void
  ) async throws -> ExportSummary {
    try options.check()
    if options.format == .array { throw StoreError(.invalidArgument, "an array is two files, and can only be exported to a file") }
    return try await exporting { store, check in try store.write(options, reporting(progress, check), into: sink) }
  }

  private func write(
    _ options: ExportOptions, _ progress: @escaping (OperationProgress) throws -> Void, into sink: ([UInt8]) throws -> Void
  ) throws -> ExportSummary {
    if options.format == .csv { return try exportCSV(options.selection, progress: progress, into: sink) }
    return try exportLines(options.selection, vectors: options.vectors, progress: progress, into: sink)
  }
}
