import Formats

extension StoreError {
  /// The message to show to people: ``message``, followed by the position in the record or text if decoding one failed. Other causes are
  /// quoted in ``message`` already.
  public var detailedMessage: String {
    switch cause {
    case let cause as CBORError: "\(message): \(cause)"
    case let cause as JSONError: "\(message): \(cause)"
    default: message
    }
  }
}
