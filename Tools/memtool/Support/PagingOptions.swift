import ArgumentParser
import Engram
import Formats

/// The options of a command that prints one page of a listing.
struct PagingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The most that are listed.", valueName: "n"))
  var limit = 100

  @Option(help: ArgumentHelp("Go on where an earlier page ended.", valueName: "cursor"))
  var after: String?

  /// Checked by the store, which made it.
  var cursor: PageCursor? { after.map(PageCursor.init) }

  func validate() throws {
    if limit < 1 { throw ValidationError("The limit is \(limit), it must be at least 1.") }
  }

  /// Says where the next page begins: as the last line of JSON, and for people on standard error.
  func printNext<Element>(of page: Page<Element>, json: Bool) throws {
    guard let next = page.next else { return }
    if json {
      try Output.json { json in
        json.beginObject()
        json.key("next")
        json.write(next.description)
        json.endObject()
      }
    } else {
      Diagnostics.write("memtool: there are more: --after \(next)")
    }
  }
}
