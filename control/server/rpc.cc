#include "control/server/rpc.h"

#include <exception>
#include <utility>

#include "base/limits.h"
#include "control/server/exit_code.h"
#include "control/server/message.h"

namespace sluice {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

OrderedJson failure(OrderedJson id, int code, const std::string& sentence, OrderedJson data) {
  OrderedJson error = {{"code", code}, {"message", sentence}};
  if (!data.is_null()) error["data"] = std::move(data);
  return {{"jsonrpc", "2.0"}, {"id", std::move(id)}, {"error", std::move(error)}};
}

OrderedJson data_of(const Error& error) {
  return {{"code", error.code}, {"exit", exit_code_of(error.kind)}};
}

OrderedJson refusal(OrderedJson id, int code, std::string_view word, const std::string& sentence,
                    ErrorKind kind = ErrorKind::Usage) {
  return failure(std::move(id), code, sentence, {{"code", word}, {"exit", exit_code_of(kind)}});
}

OrderedJson answer_error(OrderedJson id, const Answer& answer) {
  OrderedJson data = data_of(*answer.error);
  if (!answer.error->where.empty()) data["where"] = answer.error->where;
  if (!answer.findings.empty()) {
    OrderedJson lists = findings_to_json(answer.findings, kFindingsSizeMax);
    data.update(lists);
  }
  return failure(std::move(id), kApplicationError, answer.error->sentence, std::move(data));
}

bool is_id(const Json& id) { return id.is_string() || id.is_number() || id.is_null(); }

OrderedJson id_of(const Json& request) {
  const auto place = request.find("id");
  if (place == request.end() || !is_id(*place)) return nullptr;
  return OrderedJson(*place);
}

// What is wrong with the envelope; empty if nothing is.
std::string envelope_fault(const Json& request) {
  if (!request.is_object()) return "a request is a JSON object";
  const auto version = request.find("jsonrpc");
  if (version == request.end() || *version != "2.0") return "\"jsonrpc\" must be \"2.0\"";
  const auto method = request.find("method");
  if (method == request.end() || !method->is_string()) return "\"method\" must be a string";
  const auto params = request.find("params");
  if (params != request.end() && !params->is_object() && !params->is_array()) {
    return "\"params\" must be an object";
  }
  const auto id = request.find("id");
  if (id != request.end() && !is_id(*id)) return "\"id\" must be a string, a number or null";
  return "";
}

OrderedJson answer_request(const Json& request, const Caller& caller, RequestHandler& handler) {
  const std::string fault = envelope_fault(request);
  if (!fault.empty()) {
    return refusal(request.is_object() ? id_of(request) : OrderedJson(nullptr), kInvalidRequest,
                   "invalid-request", fault);
  }
  OrderedJson id = id_of(request);
  const auto& method = request.at("method").get_ref<const std::string&>();
  const RequestRow* row = find_request(method);
  if (row == nullptr) {
    return refusal(std::move(id), kMethodNotFound, "unknown-method",
                   "there is no method '" + method.substr(0, 80) + "'; rpc.list names them");
  }
  static const Json kNoParams = Json::object();
  const auto place = request.find("params");
  const Json& params = place == request.end() ? kNoParams : *place;
  if (const std::optional<Error> error = check_params(*row, params)) {
    return refusal(std::move(id), kInvalidParams, error->code, error->sentence);
  }
  const bool may_monitor = row->effect == Effect::Reads || row->effect == Effect::Streams;
  if (!may_monitor && caller.peer.is_monitor) {
    const char* why = row->effect == Effect::Changes ? " changes something" : " is work";
    return answer_error(std::move(id),
                        Answer::failed({ErrorKind::Failed, "read-only",
                                        method + why + "; this is the monitor socket", ""}));
  }
  try {
    Answer answer = handler.handle(*row, params, caller);
    if (answer.error) return answer_error(id, answer);
    return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(answer.result)}};
  } catch (const std::exception& error) {
    // One request that is too much for the machine must not end the appliance.
    return failure(std::move(id), kInternalError, method + " failed: " + error.what(),
                   {{"code", "internal-error"}, {"exit", exit_code_of(ErrorKind::Failed)}});
  }
}

// A request without an id wants no answer, unless it is no request at all.
bool wants_answer(const Json& request) {
  return !request.is_object() || request.contains("id") || !envelope_fault(request).empty();
}

// Stands for an answer when those before it fill a message: the request was not carried out.
OrderedJson no_room(const Json& request) {
  return refusal(request.is_object() ? id_of(request) : OrderedJson(nullptr), kApplicationError,
                 "batch-too-big", "the answers before this one fill a message; ask again");
}

std::string answer_batch(const Json& requests, const Caller& caller, RequestHandler& handler) {
  if (requests.empty()) return error_line(kInvalidRequest, "invalid-request", "an empty batch");
  if (requests.size() > kBatchMax) {
    return error_line(kInvalidRequest, "invalid-request",
                      "a batch of " + std::to_string(requests.size()) + " requests exceeds " +
                          std::to_string(kBatchMax));
  }
  std::string answers;
  for (const Json& request : requests) {
    const bool has_room = answers.size() < kMessageSizeMax;
    const OrderedJson answer =
        has_room ? answer_request(request, caller, handler) : no_room(request);
    if (wants_answer(request)) answers += (answers.empty() ? "[" : ",") + to_line(answer);
  }
  return answers.empty() ? answers : answers + "]";
}

}  // namespace

std::string answer_line(std::string_view line, const Caller& caller, RequestHandler& handler) {
  const Result<Json> message = parse_message(line);
  if (!message) {
    const Error& error = message.error();
    return error_line(error.code == "syntax" ? kParseError : kInvalidRequest, error.code,
                      error.sentence);
  }
  if (message->is_array()) return answer_batch(*message, caller, handler);
  const OrderedJson answer = answer_request(*message, caller, handler);
  return wants_answer(*message) ? to_line(answer) : std::string();
}

std::string notification_line(std::string_view method, OrderedJson params) {
  return to_line({{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}});
}

std::string error_line(int code, std::string_view word, std::string_view sentence, ErrorKind kind) {
  return to_line(refusal(nullptr, code, word, std::string(sentence), kind));
}

}  // namespace sluice
