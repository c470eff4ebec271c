/// A way to take a store away from the processes that have it open, as a user does it: with a shell.
enum StoreMoving: String, CaseIterable, Sendable {
  /// Another directory takes its place, and the moved one still exists.
  case replaced
  case removedAndReplaced = "removed and replaced"
  /// The directory stays the same, as on a mounted volume.
  case restoredInPlace = "restored in place"
  case moved
  case removed
  /// The store is back in its place when the next call is made.
  case awayAndBack = "away and back"

  /// The command for the tracer. Names in the case's directory: `store`, `backup` and `old`.
  ///
  /// Processes that keep running may create a file while a directory is emptied: it is emptied again. `-T` never moves into a directory.
  func command(in directory: String) -> String {
    let steps =
      switch self {
      case .replaced: "mv -T store old && mv -T backup store"
      case .removedAndReplaced: "\(Self.removal) && mv -T backup store"
      case .restoredInPlace: "until rm -rf store/*; do :; done && cp -a backup/. store/"
      case .moved: "mv -T store old"
      case .removed: Self.removal
      case .awayAndBack: "mv -T store old && mv -T old store"
      }
    return "cd '\(directory)' && { \(steps); } > move-output 2>&1 && rm move-output"
  }

  private static let removal = "{ until rm -rf store; do :; done; }"

  /// Whether the backup has the store's place afterwards.
  var restores: Bool { self == .replaced || self == .removedAndReplaced || self == .restoredInPlace }
  /// Whether the store's own files still have a name.
  var keepsOld: Bool { self == .replaced || self == .moved }
  /// The names that the case's directory may have in the end.
  var names: Set<String> {
    switch self {
    case .replaced: ["store", "old"]
    case .removedAndReplaced: ["store"]
    case .restoredInPlace: ["store", "backup"]
    case .moved: ["old", "backup"]
    case .removed: ["backup"]
    case .awayAndBack: ["store", "backup"]
    }
  }
}
