# Fails if an object compiled for more than the baseline defines a weak symbol (an inline function or template that other files
# may share): the linker keeps one copy of each, and it could be this one.
string(REPLACE "," ";" OBJECTS "${OBJECTS}")
set(checked 0)
foreach(object IN LISTS OBJECTS)
  if(NOT object MATCHES "/kernels/(avx|neondot)")
    continue()
  endif()
  execute_process(COMMAND ${NM} --demangle --defined-only ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9a-f]+ [WVu] [^\n]*" weak "${symbols}")
  list(FILTER weak EXCLUDE REGEX "DW\\.ref\\.")  # a pointer that exception handling needs, no code
  if(weak)
    string(REPLACE ";" "\n  " weak "${weak}")
    message(SEND_ERROR "${object} shares these with the baseline:\n  ${weak}")
  endif()
  math(EXPR checked "${checked} + 1")
endforeach()
message(STATUS "${checked} objects checked")
