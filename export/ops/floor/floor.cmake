# edgenet_keep_floor(TARGET): what the target links to exists in glibc 2.28 and in the libstdc++ of GCC 8, though the
# compiler's own are newer. Does nothing where the build asks for no floor (EDGENET_KEEP_FLOOR, set by the toolchain).
set(EDGENET_FLOOR_DIRECTORY ${CMAKE_CURRENT_LIST_DIR})

function(edgenet_keep_floor target)
  if(NOT EDGENET_KEEP_FLOOR)
    return()
  endif()
  target_sources(${target} PRIVATE ${EDGENET_FLOOR_DIRECTORY}/newer.cpp)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_sources(${target} PRIVATE ${EDGENET_FLOOR_DIRECTORY}/older.cpp)
    foreach(symbol __libc_start_main dlopen dlsym dlclose dlerror pthread_create pthread_join)
      target_link_options(${target} PRIVATE -Wl,--wrap=${symbol})
    endforeach()
    # Older C libraries have these functions in libraries of their own.
    target_link_libraries(${target} PRIVATE -Wl,--push-state,--no-as-needed -l:libdl.so.2 -l:libpthread.so.0
                                            -Wl,--pop-state)
  endif()
endfunction()
