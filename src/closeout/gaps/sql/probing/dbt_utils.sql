{# Stand-ins for macros of the package dbt_utils, for PostgreSQL, by what its documentation says. #}

{% macro generate_surrogate_key(field_list) %}
  {%- set parts = [] -%}
  {%- for field in field_list -%}
    {%- do parts.append("coalesce(cast(" ~ field ~ " as text), '_dbt_utils_surrogate_key_null_')") -%}
  {%- endfor -%}
  md5({{ parts | join(" || '-' || ") }})
{% endmacro %}

{% macro surrogate_key() %}
  {%- set fields = varargs[0] if varargs and varargs[0] is not string else varargs -%}
  {%- set parts = [] -%}
  {%- for field in fields -%}
    {%- do parts.append("coalesce(cast(" ~ field ~ " as text), '')") -%}
  {%- endfor -%}
  md5({{ parts | join(" || '-' || ") }})
{% endmacro %}

{% macro star(from, relation_alias=false, except=[], prefix='', suffix='', quote_identifiers=true) %}
  {%- set left_out = except | map('lower') | list -%}
  {%- set kept = [] -%}
  {%- for column in (adapter.get_columns_in_relation(from) if execute else []) -%}
    {%- if column.name | lower not in left_out -%}
      {%- set name = adapter.quote(column.name) if quote_identifiers else column.name -%}
      {%- set source = relation_alias ~ '.' ~ name if relation_alias else name -%}
      {%- set renamed = ' as ' ~ adapter.quote(prefix ~ column.name ~ suffix) if prefix or suffix else '' -%}
      {%- do kept.append(source ~ renamed) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ kept | join(', ') if kept else '*' }}
{% endmacro %}

{% macro get_column_values(table, column, order_by='count(*) desc', max_records=none, default=[], where=none) %}
  {%- if not execute -%}{{ return(default) }}{%- endif -%}
  {%- set asked -%}
    select {{ column }} from {{ table }} {{ 'where ' ~ where if where else '' }}
    group by {{ column }} order by {{ order_by }} {{ 'limit ' ~ max_records if max_records else '' }}
  {%- endset -%}
  {{ return(run_query(asked).columns[0].values() | list or default) }}
{% endmacro %}

{% macro group_by(n) %}
  group by {{ range(1, n + 1) | join(', ') }}
{% endmacro %}

{% macro safe_divide(numerator, denominator) %}
  ( {{ numerator }} ) / nullif( ( {{ denominator }} ), 0)
{% endmacro %}

{% macro safe_add(fields) %}
  {%- set parts = [] -%}
  {%- for field in (fields if fields is not string else [fields] + varargs | list) -%}
    {%- do parts.append('coalesce(' ~ field ~ ', 0)') -%}
  {%- endfor -%}
  {{ parts | join(' + ') }}
{% endmacro %}

{% macro deduplicate(relation, partition_by, order_by) %}
  select distinct on ({{ partition_by }}) * from {{ relation }} as deduplicated
  order by {{ partition_by }}, {{ order_by }}
{% endmacro %}

{% macro date_spine(datepart, start_date, end_date) %}
  select cast(day as timestamp) as date_{{ datepart }}
  from generate_series(
    cast({{ start_date }} as timestamp),
    cast({{ end_date }} as timestamp) - interval '1 {{ datepart }}',
    interval '1 {{ datepart }}'
  ) as spine (day)
{% endmacro %}

{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
  select {{ combination_of_columns | join(', ') }} from {{ model }}
  group by {{ combination_of_columns | join(', ') }} having count(*) > 1
{% endtest %}

{% test expression_is_true(model, expression, column_name=none) %}
  select 1 from {{ model }} where not ({{ column_name or '' }} {{ expression }})
{% endtest %}

{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
  select 1 from {{ model }} where false
  {%- if min_value is not none %} or not {{ column_name }} >{{ '=' if inclusive }} {{ min_value }}{% endif %}
  {%- if max_value is not none %} or not {{ column_name }} <{{ '=' if inclusive }} {{ max_value }}{% endif %}
{% endtest %}

{% test not_empty_string(model, column_name, trim_whitespace=true) %}
  select 1 from {{ model }}
  where {{ 'trim(' ~ column_name ~ ')' if trim_whitespace else column_name }} = ''
{% endtest %}

{% test at_least_one(model, column_name) %}
  select 1 from {{ model }} having count({{ column_name }}) = 0
{% endtest %}

{% test not_constant(model, column_name) %}
  select 1 from {{ model }} having count(distinct {{ column_name }}) = 1
{% endtest %}
