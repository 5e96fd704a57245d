// The syntax tree of a template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/chat/value.h"

namespace hasten::chat {

enum class ExprKind {
  kConst, kName, kTuple, kList, kDict, kAttribute, kItem, kSlice, kCall, kFilter, kTest,
  kNot, kNegate, kPlus, kBinary, kConcat, kCompare, kAnd, kOr, kCondition
};

enum class Op { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

// How an argument stands in a call: f(a, name=b, *c, **d).
enum class ArgKind { kPositional, kKeyword, kList, kDict };
struct Arg {
  ArgKind kind;
  std::string name;
  ExprPtr value;
};

struct Expr {
  ExprKind kind;
  int line = 0;
  int depth = 1;               // of the tree below, bounded by the parser
  Value constant;              // kConst
  std::string name;            // kName, kAttribute, kFilter, kTest
  std::vector<ExprPtr> items;  // operands; kDict: keys and values in turn; kSlice may hold nulls
  std::vector<Arg> args;       // kCall, kFilter, kTest
  std::vector<Op> ops;         // kBinary: one; kCompare: one between each two operands
};

enum class StmtKind {
  kText, kOutput, kIf, kFor, kSet, kSetBlock, kMacro, kCallBlock, kFilterBlock, kWith, kScope, kBreak, kContinue
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

// A target of an assignment: a name, ns.attribute, or several in parentheses.
struct Target {
  std::string name, attribute;
  std::vector<Target> parts;
};

struct Param {
  std::string name;
  ExprPtr fallback;  // null: none
};

struct Stmt {
  StmtKind kind;
  int line = 0;
  std::string text;                                // kText; kMacro: its name
  Target target;                                   // kFor, kSet, kSetBlock
  std::vector<std::pair<ExprPtr, Body>> branches;  // kIf; a null condition is else
  ExprPtr value;                                   // kOutput, kFor (what is iterated), kSet, kCallBlock, kFilterBlock
  ExprPtr condition;                               // kFor: the filter
  bool recursive = false;                          // kFor
  std::vector<Param> params;                       // kMacro, kCallBlock; kWith: names and values
  Body body, otherwise;
};

}  // namespace hasten::chat
