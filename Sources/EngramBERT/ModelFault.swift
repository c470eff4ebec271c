import Engram
import Files
import Formats

/// A problem of a model folder, found in code that does not know the file's path.
struct ModelFault: Error {
  let message: String

  init(_ message: String) { self.message = message }

  /// The error that the user of the library gets.
  func error(in path: String) -> StoreError { StoreError(.invalidModel, "the model file \(path): \(message)") }
}

extension StoreError {
  /// Calls `body`, and turns an error that it throws into a ``StoreError`` that names the file.
  static func ofModel<R>(file path: String, _ body: () throws -> R) throws(StoreError) -> R {
    do {
      return try body()
    } catch let error as StoreError {
      throw error
    } catch let fault as ModelFault {
      throw fault.error(in: path)
    } catch let error as JSONError {
      throw StoreError(.invalidModel, "the model file \(path) is not the JSON that it should be: \(error)", cause: error)
    } catch let error as FileError {
      if error.isMissing {
        throw StoreError(
          .invalidModel, "the model file \(path) does not exist: a folder as published for sentence-transformers has it", cause: error)
      }
      throw StoreError(
        error.isPermission ? .permissionDenied : .inputOutput, "the model file \(path) cannot be read: \(error.reason)", cause: error)
    } catch {
      throw StoreError(.inputOutput, "the model file \(path) cannot be read: \(SystemErrorText.text(of: error))", cause: error)
    }
  }
}
