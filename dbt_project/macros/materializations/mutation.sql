{#- The one ALTER that masks or empties a table in ClickHouse, waited for on every replica. `relation` holds the rows;
    `cluster` is empty for a server on its own. -#}
{% macro mutation(spec, relation, cluster) -%}
alter table {{ relation }}{{ ' on cluster ' ~ quoted(cluster) if cluster }}
{%- if spec.rule == 'delete' %}
delete
{%- else %}
update
    {%- for column in masked_columns(spec, '') %}
    {{ column.column }} = {{ column.new_value }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endif %}
where
    {{ is_subject(spec, '') }}
    and {{ not_yet_masked(spec, '') }}
settings mutations_sync = 2
{%- endmacro %}
