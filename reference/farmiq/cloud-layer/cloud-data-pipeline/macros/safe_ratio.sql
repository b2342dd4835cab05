{#- Divide a total by a count; a count of zero gives NULL instead of an error. -#}
{% macro safe_ratio(total, count) -%}
    ({{ total }})::numeric / NULLIF({{ count }}, 0)
{%- endmacro %}
