// Filters of lists and mappings (filters_list.cc), for the table in filters.cc.
#pragma once

#include "runtime/engine/chat/interpreter.h"

namespace hasten::chat {

using FilterFn = Value (*)(Interpreter&, const Value&, const CallArgs&);

// "a.b.0" walked through an item, as map(attribute=...) and sort do.
Value Path(Interpreter& in, Value v, const Value& path);

Value SortFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value DictSortFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value UniqueFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value SumFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value ReverseFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value MapFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value BatchFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value MaxFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value MinFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value SelectFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value RejectFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value SelectAttrFilter(Interpreter& in, const Value& v, const CallArgs& args);
Value RejectAttrFilter(Interpreter& in, const Value& v, const CallArgs& args);

}  // namespace hasten::chat
