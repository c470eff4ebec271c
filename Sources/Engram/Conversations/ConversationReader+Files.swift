import Formats
public import Foundation

extension ConversationReader {
  /// The files to read at a URL: the `conversations*.json` of a folder, in the order of their names; otherwise the URL itself.
  ///
  /// - Throws: ``StoreError`` `.invalidArgument` for a folder without one, and a URL that is no file URL; `.inputOutput`.
  public static func files(at url: URL) throws -> [URL] {
    guard url.isFileURL else { throw StoreError(.invalidArgument, "\(url) is not a file URL") }
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else { return [url] }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: url.path)
    } catch {
      throw StoreError(.inputOutput, "\(url.path) cannot be read: \(SystemErrorText.text(of: error))")
    }
    let files = names.filter { $0.hasPrefix("conversations") && $0.hasSuffix(".json") }.sorted()
    guard !files.isEmpty else { throw StoreError(.invalidArgument, "the folder \(url.path) has no conversations*.json") }
    return files.map { url.appendingPathComponent($0) }
  }
}
